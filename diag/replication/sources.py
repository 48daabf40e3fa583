"""Which way to the log is in use: the node's own etcd member, and a peer while that one does not answer."""

import time
from collections.abc import Callable, Sequence

from diag.errors import Unavailable
from diag.replication.source import LogSource

#: Seconds with a peer before the node's own member is tried again.
_AWAY = 10.0


def ways(own: LogSource | None, others: Sequence[LogSource]) -> list[LogSource]:
    """The own member, and again after each of the others, best first.

    When it did not answer, most often the cluster has no leader for a moment: nobody else knows better then,
    and one of the others may be what went down.
    """
    if own is None:
        return list(others)
    return [own, *(way for other in others[:-1] for way in (other, own)), *others[-1:]]


class Sources:
    """The ways there are, the preferred one first; ``replace`` them as members come and go."""

    def __init__(self, ways: Sequence[LogSource], clock: Callable[[], float] = time.monotonic) -> None:
        self._ways = list(ways)
        self._clock = clock
        self._at = 0
        self._back_at = 0.0

    @property
    def current(self) -> LogSource:
        """The one to use now. Raises Unavailable when there is none."""
        if self._at and self._clock() >= self._back_at:
            self._at = 0
        if not self._ways:
            raise Unavailable("No node of the cluster is known that has the log; is one of the voters up?")
        return self._ways[self._at % len(self._ways)]

    def leave(self, source: LogSource) -> None:
        """``source`` did not answer: the next one is in use now, unless somebody left it already."""
        if self._ways and self.current is source:
            self._at = (self._at + 1) % len(self._ways)
            self._back_at = self._clock() + _AWAY

    def replace(self, ways: Sequence[LogSource]) -> None:
        """Other ways; the one in use stays so if it is among them."""
        if list(ways) != self._ways:
            kept = self._ways[self._at % len(self._ways)] if self._ways else None
            self._ways = list(ways)
            self._at = self._ways.index(kept) if kept in self._ways else 0
