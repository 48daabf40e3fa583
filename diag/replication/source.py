"""Where a node's log comes from: its own etcd member, or a peer that stands in for it.

The log is the history of one etcd key that is never deleted: each write is one record, and the key's
version, which rises by one with each, numbers them without a gap.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """One record of the log. ``version`` is its number, from 1; ``revision`` its place in etcd's history."""

    version: int
    revision: int
    record: bytes


class Head(NamedTuple):
    """The newest record there is, by agreement of a majority; ``version`` 0 when there is none.

    ``leader`` is the node id of the leader by that source, None when it knows of none.
    """

    version: int
    revision: int
    term: int
    leader: int | None


class LogSource(Protocol):
    """One way to the log. Every method has a deadline of its own and raises Unavailable when it passes.

    After Unavailable of ``append`` the record may still be taken, at any time later.
    """

    @property
    def name(self) -> str:
        """For messages: which node or member this is."""

    async def append(self, record: bytes) -> int:
        """Make the record the newest; its revision. NoSpace when the log's quota is used up."""

    async def head(self) -> Head:
        """Linearizable: no record acknowledged before the call is newer."""

    def tail(self, revision: int) -> AsyncIterator[Sequence[Entry]]:
        """Records of that revision and later, in order, for ever; an empty sequence is a sign of life.

        Raises Compacted when the log no longer goes back to ``revision``, Unavailable when it breaks.
        """
