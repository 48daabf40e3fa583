"""The thread that commits for a single node: what waits goes into one transaction, which is one fsync.

The loop hands proposals over and hears of them again, a batch at a time; nothing else is shared between the
two.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import NamedTuple

from diag.errors import MetaError, NoSpace, StoreError
from diag.kv.apply import apply
from diag.kv.commands import Command, Reply
from diag.kv.reading import ReadTxn
from diag.kv.records import Change
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication.stages import Stages

#: A batch is cut here, so that one fsync never carries more than a few ten milliseconds of work.
MAX_BATCH = 2048

_log = logging.getLogger(__name__)


class Proposal(NamedTuple):
    """A command, and where its proposer waits."""

    command: Command
    done: "asyncio.Future[tuple[Reply, Stages]]"


class Figures(NamedTuple):
    """The store's own figures after a commit."""

    applied: Position = Position()
    seq: int = 0
    key_count: int = 0


class Batch(NamedTuple):
    """What was made of some proposals: results by place, and the figures after it."""

    proposals: Sequence[Proposal]
    results: Sequence[tuple[Reply, list[Change]] | MetaError]
    figures: Figures
    stages: Stages


class Committer:
    """Goes on from ``figures``, in the term of their last entry. ``tell`` hears of each batch on the loop."""

    def __init__(
        self, store: Store, figures: Figures, clock_ms: Callable[[], int], tell: Callable[[Batch], None]
    ) -> None:
        self._store = store
        self._figures = figures  # ahead of what the loop has heard
        self._clock_ms = clock_ms
        self._tell = tell
        self._inbox: SimpleQueue[list[Proposal] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> None:
        """Begin, for the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def put(self, proposals: list[Proposal]) -> None:
        """Hand proposals over, for good: more are added to the list here."""
        self._inbox.put(proposals)

    async def stop(self) -> None:
        """Commit what was handed over."""
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        going = True
        while going:
            waiting = self._inbox.get()
            if waiting is None:
                return
            try:
                while len(waiting) < MAX_BATCH:
                    more = self._inbox.get_nowait()
                    if more is None:
                        going = False
                        break
                    waiting += more
            except Empty:
                pass
            for start in range(0, len(waiting), MAX_BATCH):
                batch = self._commit(waiting[start : start + MAX_BATCH])
                self._loop.call_soon_threadsafe(self._tell, batch)

    def _commit(self, proposals: list[Proposal]) -> Batch:
        """Commit all in one transaction; when one breaks it, each in its own, so that it fails alone."""
        try:
            return self._commit_together(proposals)
        except NoSpace as failure:
            _log.error("A batch of %d commands was not stored: %s", len(proposals), failure)
            return self._failed(proposals, failure)
        except Exception as failure:  # noqa: BLE001 - whatever broke one command, the others are to go on
            if len(proposals) > 1:
                return self._commit_apart(proposals)
            _log.exception("A command could not be applied")
            known = failure if isinstance(failure, MetaError) else StoreError(f"Not applied: {failure!r}.")
            return self._failed(proposals, known)

    def _commit_together(self, proposals: list[Proposal]) -> Batch:
        began = perf_counter()
        term, node_id, _index = self._figures.applied
        with self._store.write() as txn:
            now_ms = self._clock_ms()
            results = [apply(txn, proposal.command, now_ms) for proposal in proposals]
            index = txn.applied().index + len(proposals)
            txn.set_applied(Position(term, node_id, index))
            figures = figures_of(txn)
            applied = perf_counter()
        self._figures = figures
        stages = (("queue", began), ("apply", applied), ("fsync", perf_counter()))
        return Batch(proposals, results, figures, stages)

    def _commit_apart(self, proposals: list[Proposal]) -> Batch:
        began = perf_counter()
        parts = [self._commit([proposal]) for proposal in proposals]
        stages = (("queue", began), ("apply", perf_counter()))
        return Batch(proposals, [part.results[0] for part in parts], self._figures, stages)

    def _failed(self, proposals: list[Proposal], failure: MetaError) -> Batch:
        return Batch(proposals, [failure] * len(proposals), self._figures, ())


def figures_of(txn: ReadTxn) -> Figures:
    """What the transaction would leave, or sees."""
    return Figures(txn.applied(), txn.seq(), txn.key_count())
