"""How a log begins on a state that is older than it: an import, or a node that was one of its own.

The log does not hold that state. So its first record says which state it goes on from: a node that has
just that one applies the record, a new node takes a snapshot from another, and a node with any other state
is refused, before two histories are mixed.
"""

from pathlib import Path

from diag.errors import Compacted, Damaged
from diag.kv.digest import hash_content
from diag.kv.reading import ReadTxn
from diag.kv.store import Store
from diag.replication.ledger import Ledger
from diag.replication.record import Genesis, Record


def genesis_of(store: Store) -> Genesis | None:
    """What a log that begins on this store is to say first; None for an empty store, or one of a log."""
    with store.read() as txn:
        if _is_empty(txn) or Ledger.unpack(txn.log_state()).version:
            return None
        return Genesis(*txn.applied(), hash_content(txn))


def check_beginning(store: Store, first: Record) -> None:
    """Whether a log whose first record is ``first`` may go on from this store, which has none of it yet.

    Raises Compacted when another node's snapshot is needed, Damaged when the store holds another state.
    """
    told = next((command for command in first.commands if isinstance(command, Genesis)), None)
    with store.read() as txn:
        empty = _is_empty(txn)
        if told is None and empty:
            return
        if empty:
            raise Compacted("The cluster's log goes on from an imported state, which is not here", 0)
        if told is not None and told == Genesis(*txn.applied(), hash_content(txn)):
            return
    raise foreign(store)


def check_founder(store: Store) -> None:
    """Whether a new cluster may begin on this store. Damaged when it is of a log that exists elsewhere."""
    with store.read() as txn:
        version = Ledger.unpack(txn.log_state()).version
    if version:
        raise Damaged(
            f"{store.path} is of a cluster whose log this node has no more (the directory etcd beside it). "
            "Bring that back, or join the cluster's other nodes (--join). To start a new cluster from this "
            "state: diag export --raft-dir, and diag import into an empty directory."
        )


def check_joiner(store: Store, cluster: bytes) -> None:
    """Whether a node with this store may take the log and the state of ``cluster``; Damaged when not."""
    if genesis_of(store) is not None:
        raise foreign(store)
    check_member(store, cluster)


def check_member(store: Store, cluster: bytes) -> None:
    """Whether a log that led to this store, if one did, is that of ``cluster``; Damaged when not."""
    known = _cluster(store)
    if known not in (b"", cluster):
        raise other_cluster(store.path, known, cluster)


def is_of(store: Store, cluster: bytes) -> bool:
    """Whether the log of ``cluster`` led to this state."""
    return _cluster(store) == cluster


def other_cluster(path: Path, known: bytes, cluster: bytes) -> Damaged:
    """The refusal of a store that another cluster's log led to."""
    return Damaged(
        f"{path} is of another cluster's log ({known.hex()}, this one is {cluster.hex()}). Give the "
        "node its own directory back, or an empty one to take this cluster's state."
    )


def foreign(store: Store) -> Damaged:
    """The refusal of a state that no log of this cluster led to."""
    return Damaged(
        f"{store.path} holds a state of its own (an import, or of a single node), which is not this "
        "cluster's. Only the first node of a new cluster goes on from one: start this node with an empty "
        "raft_dir, and it takes the cluster's state."
    )


def _cluster(store: Store) -> bytes:
    with store.read() as txn:
        return Ledger.unpack(txn.log_state()).cluster


def _is_empty(txn: ReadTxn) -> bool:
    return not (txn.applied().index or txn.seq())
