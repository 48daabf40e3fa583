"""What the log tells, applied: one thread, in order, many entries in one transaction."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from diag.errors import Damaged, MetaError, StoreError, Unavailable
from diag.replication.machine import Figures, Machine, Outcome
from diag.replication.source import Entry
from diag.replication.tail import Tail

#: Bytes of records in one transaction, so that none holds its proposers for long.
_TOGETHER = 4 << 20
_STUCK_PAUSE = 1.0
_KICK = 1.0

_log = logging.getLogger(__name__)


class Applier:
    """Applies what ``tail`` reads; ``hear`` is told on the loop of each transaction, after its commit."""

    def __init__(
        self, machine: Machine, tail: Tail, hear: Callable[[Sequence[Outcome], Figures], None]
    ) -> None:
        self._machine = machine
        self._tail = tail
        self._hear = hear
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="applier")
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._in_hand: Future[tuple[list[Outcome], Figures]] | None = None
        self.figures = machine.figures()
        self.stuck: MetaError | None = None
        self.bytes_since_mark = 0  # of records, since the last snapshot command or the start

    async def run(self) -> None:
        """Apply until cancelled. Raises Damaged for a record that is none of ours."""
        while True:
            entries = await self._tail.take()
            while entries:
                applied = await self._apply(entries[: _some(entries)])
                entries = entries[applied:]

    async def reach(self, version: int) -> int:
        """The applied index, once that entry is applied. Unavailable while the disk refuses."""
        while self.figures.ledger.version < version:
            self.refuse_stuck()
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[reached] = version
            try:
                done, _ = await asyncio.wait([reached], timeout=_KICK)
            finally:
                self._waiting.pop(reached, None)
            if not done:
                self._tail.miss(version=version)
        return self.figures.applied.index

    def refuse_stuck(self) -> None:
        """Raises Unavailable while this node's disk refuses the log: another node can serve."""
        if self.stuck is not None:
            raise Unavailable(f"This node does not keep up with the log ({self.stuck}); ask another node.")

    async def stop(self) -> None:
        """Wait for the transaction in hand, of which nobody hears any more."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._in_hand is not None and self._in_hand.exception() is None:
            for outcome in self._in_hand.result()[0]:
                if outcome.snapshot is not None:
                    outcome.snapshot.release()

    async def _apply(self, entries: Sequence[Entry]) -> int:
        """How many were applied: a snapshot command ends a transaction."""
        while True:
            self._in_hand = self._thread.submit(self._machine.apply, entries)
            try:
                outcomes, figures = await asyncio.shield(asyncio.wrap_future(self._in_hand))
                break
            except Damaged:
                raise
            except StoreError as failure:
                # This node's disk: the others go on, and so will this one once it can.
                if self.stuck is None:
                    _log.error("Entry %d is not applied yet: %s", entries[0].version, failure)
                self.stuck = failure
                await asyncio.sleep(_STUCK_PAUSE)
        self.stuck = self._in_hand = None
        self.figures = figures
        self._count(entries, outcomes)
        self._hear(outcomes, figures)
        self._wake(figures.ledger.version)
        return len(outcomes)

    def _count(self, entries: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
        self.bytes_since_mark += sum(len(entry.record) for entry in entries[: len(outcomes)])
        if outcomes[-1].snapshot is not None:
            self.bytes_since_mark = 0

    def _wake(self, version: int) -> None:
        for reached, wanted in self._waiting.items():
            if wanted <= version and not reached.done():
                reached.set_result(None)


def _some(entries: Sequence[Entry]) -> int:
    size = 0
    for count, entry in enumerate(entries, 1):
        size += len(entry.record)
        if size >= _TOGETHER:
            return count
    return len(entries)
