"""What the log tells, applied: one thread, in order, many entries in one transaction."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from diag.errors import Damaged, MetaError, StoreError
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
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.figures = machine.figures()
        self.stuck: MetaError | None = None

    async def run(self) -> None:
        """Apply until cancelled. Raises Damaged for a record that is none of ours."""
        while True:
            entries = await self._tail.take()
            while entries:
                applied = await self._apply(entries[: _some(entries)])
                entries = entries[applied:]

    async def reach(self, version: int) -> int:
        """The applied index, once the entry of that version is applied; kicks the tail when it waits."""
        while self.figures.ledger.version < version:
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((version, reached))
            done, _ = await asyncio.wait([reached], timeout=_KICK)
            if not done:
                reached.cancel()
                if self.stuck is not None:
                    raise type(self.stuck)(str(self.stuck))
                self._tail.kick()
        return self.figures.applied.index

    async def stop(self) -> None:
        """Wait for the transaction in hand."""
        await asyncio.to_thread(self._thread.shutdown)

    async def _apply(self, entries: Sequence[Entry]) -> int:
        """How many were applied: a snapshot command ends a transaction."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                outcomes, figures = await loop.run_in_executor(self._thread, self._machine.apply, entries)
                break
            except Damaged:
                raise
            except StoreError as failure:
                # This node's disk: the others go on, and so will this one once it can.
                if self.stuck is None:
                    _log.error("Entry %d is not applied yet: %s", entries[0].version, failure)
                self.stuck = failure
                await asyncio.sleep(_STUCK_PAUSE)
        self.stuck = None
        self.figures = figures
        self._hear(outcomes, figures)
        self._wake(figures.ledger.version)
        return len(outcomes)

    def _wake(self, version: int) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for wanted, reached in waiting:
                if wanted > version:
                    self._waiting.append((wanted, reached))
                elif not reached.done():
                    reached.set_result(None)


def _some(entries: Sequence[Entry]) -> int:
    size = 0
    for count, entry in enumerate(entries, 1):
        size += len(entry.record)
        if size >= _TOGETHER:
            return count
    return len(entries)
