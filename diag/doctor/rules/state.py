"""The state and its snapshots: the same on all nodes, and not too old to start from."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from diag.doctor.facts import Cluster
from diag.doctor.finding import Finding

#: Times the configured entries between snapshots, from which on one is missing rather than on its way.
LATE: Final = 4


def hash_mismatch(cluster: Cluster) -> Iterator[Finding]:
    """Nodes whose states after the same entry differ."""
    hashes: dict[int, dict[int, str]] = defaultdict(dict)
    for node_id, node in cluster.nodes.items():
        if node.clustered and node.snapshot is not None:
            hashes[node.snapshot.index][node_id] = node.snapshot.content_hash
    for index, by_node in hashes.items():
        if len(set(by_node.values())) > 1:
            yield Finding(
                name="hash_mismatch",
                severity="critical",
                node=None,
                says=f"The nodes' states after entry {index} differ.",
                evidence=tuple(f"node {node_id}: {digest[:16]}" for node_id, digest in by_node.items()),
                next="stop the node that differs from the majority, move its store and snapshots away, and "
                "start it again: it takes the others' state",
            )


def old_snapshot(cluster: Cluster) -> Iterator[Finding]:
    """A node without a snapshot where several were due: its start, and a new member's, take long."""
    for node in cluster.nodes.values():
        held = 0 if node.snapshot is None else node.snapshot.index
        since = node.applied - held
        if not node.snapshot_every or since <= LATE * node.snapshot_every:
            continue
        age = (
            "it has none"
            if node.snapshot is None
            else f"the last one is {_age(node.snapshot.created_ms, node.now_ms)} old"
        )
        yield Finding(
            name="old_snapshot",
            severity="warning",
            node=node.node_id,
            says=f"Node {node.node_id} has applied {since} entries since its last snapshot; one is due every "
            f"{node.snapshot_every}.",
            evidence=(age,),
            next="diag snapshot --wait 60",
        )


def _age(then_ms: int, now_ms: int) -> str:
    seconds = max(0, now_ms - then_ms) / 1000
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
