"""The log as the node's own etcd member has it."""

from collections.abc import AsyncIterator, Sequence

from diag.errors import Damaged, MessageTooLarge, MetaError, NoSpace, Unavailable
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_wire import Change
from diag.replication.source import Entry, Head

#: The key whose history is the log. It is never deleted: its version is the log's number.
LOG_KEY = b"metadiag/log"


class EtcdSource:
    """A ``LogSource`` over a client of one member."""

    def __init__(self, client: EtcdClient, key: bytes = LOG_KEY) -> None:
        self._client = client
        self._key = key

    @property
    def name(self) -> str:
        """For messages."""
        return "this node's etcd"

    async def append(self, record: bytes) -> int:
        """Write it; the write's revision."""
        try:
            return (await self._client.put(self._key, record)).revision
        except (NoSpace, MessageTooLarge, Unavailable):
            raise
        except MetaError as failure:
            raise _not_here(failure) from failure

    async def head(self) -> Head:
        """By a linearizable read of the key without its value."""
        try:
            found = await self._client.get(self._key, keys_only=True)
        except Unavailable:
            raise
        except MetaError as failure:
            raise _not_here(failure) from failure
        newest = found.first
        if newest is None:
            return Head(0, 0, found.header.raft_term, None)
        return Head(newest.version, newest.mod_revision, found.header.raft_term, None)

    async def tail(self, revision: int) -> AsyncIterator[Sequence[Entry]]:
        """By a watch."""
        async with await self._client.watch(self._key, revision) as watch:
            async for batch in watch:
                yield [_entry(change) for change in batch.changes]


def _not_here(failure: MetaError) -> Unavailable:
    """A learner, for one, answers neither; whatever the reason, another member may."""
    return Unavailable(f"{failure}; another member may answer")


def _entry(change: Change) -> Entry:
    if change.deleted:
        raise Damaged(
            f"The log's key was deleted in etcd at revision {change.entry.mod_revision}; the log is gone. "
            "Start a new cluster from a backup."
        )
    return Entry(change.entry.version, change.entry.mod_revision, change.entry.value)
