"""Looks at threads at moments of the wall clock: for wall mode, and where the CPU's clocks give no signal."""

import random
import signal
import sys
import threading
import time
from types import FrameType

from diag.profilers.spacing import Spacing
from diag.profilers.tally import Tally
from diag.profilers.threadclock import thread_cpu
from diag.profilers.ticks import Handler, Threads
from diag.profilers.waiting import WaitingTasks


class WallTicks:
    """A signal's handler looks at every thread and every task."""

    note = (
        "Every thread counts all the time, and beside them every task for the time that it is suspended; "
        "a C call's time may count for the line after it."
    )

    def __init__(self, tally: Tally, rate: float, tasks: WaitingTasks) -> None:
        self._tally = tally
        self._rate = rate
        self._tasks = tasks
        self._threads = Threads()

    def begin(self) -> None:
        """On the main thread."""
        self._main = threading.get_ident()
        # An even beat on the wall would meet a periodic workload at always the same places.
        self._spacing = Spacing(self._rate, 0.0, time.monotonic())
        self._handler = Handler(signal.SIGALRM, self._on_tick)
        self._schedule()

    def look(self) -> float:
        """Threads that began."""
        return self._threads.look(self._rate)

    def end(self) -> None:
        """No signal comes any more."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._handler.close()
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _schedule(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, self._spacing.due - time.monotonic()))

    def _on_tick(self, frame: FrameType) -> None:
        now = time.monotonic()
        if now >= self._spacing.due:
            seconds = self._spacing.charge(now, 0.0)
            self._tasks.tick()
            frames: dict[int, FrameType] = sys._current_frames()
            frames[self._main] = frame
            for ident, tid in self._threads.found.items():
                if ident in frames:
                    self._tally.add(ident, tid, frames[ident], seconds)
        self._schedule()


class ThreadTicks:
    """A thread looks, whenever it gets the interpreter lock: at all of them, or at what used CPU since."""

    def __init__(self, tally: Tally, rate: float, tasks: WaitingTasks | None, why: str) -> None:
        self.note = (
            f"Samples were taken by a thread, because {why}; it sees an event loop mostly where the loop "
            "waits, so shares may be off."
        )
        self._tally = tally
        self._rate = rate
        self._tasks = tasks
        self._threads = Threads()
        self._used: dict[int, float] = {}

    def begin(self) -> None:
        """From now on."""
        self._threads.look(self._rate)
        self._used = {tid: thread_cpu(tid) or 0.0 for tid in self._threads.found.values()}
        self._last = time.monotonic()

    def look(self) -> float:
        """All threads, once."""
        self._threads.look(self._rate)
        if self._tasks is not None:
            self._tasks.tick()
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        frames = sys._current_frames()
        for ident, tid in self._threads.found.items():
            seconds = elapsed if self._tasks is not None else self._spent(tid)
            if seconds > 0 and ident in frames:
                self._tally.add(ident, tid, frames[ident], seconds)
        return random.uniform(0.5, 1.5) / self._rate  # noqa: S311 - no secret

    def end(self) -> None:
        """Nothing is left behind."""

    def _spent(self, tid: int) -> float:
        now = thread_cpu(tid) or 0.0
        before, self._used[tid] = self._used.get(tid, now), now
        return now - before
