"""Looks at threads at moments of the wall clock: for wall mode, and where the CPU's clocks give no signal."""

import random
import signal
import sys
import threading
import time
from types import FrameType

from diag.profilers.handler import Handler
from diag.profilers.tally import Tally
from diag.profilers.threadclock import thread_cpu
from diag.profilers.ticks import Threads
from diag.profilers.waiting import WaitingTasks


class WallTicks:
    """A signal's handler looks at every thread and every task."""

    note = (
        "Every thread counts all the time, and beside them every task for the time that it is suspended; "
        "a C call's time may count for the line after it."
    )
    most = None

    def __init__(self, tally: Tally, rate: float, tasks: WaitingTasks) -> None:
        self._tally = tally
        self._rate = rate
        self._tasks = tasks
        self._threads = Threads()
        self._ended = False

    def begin(self) -> None:
        """On the main thread."""
        self._main = threading.get_ident()
        self._due = time.monotonic()
        self._handler = Handler(signal.SIGALRM, self._on_tick)
        self._schedule()

    def look(self) -> float:
        """Threads that began."""
        return self._threads.look(self._rate)

    def end(self) -> float:
        """No signal comes any more. The seconds for which the main thread stood still."""
        self._ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._handler.close()
        return self._handler.seconds

    def _schedule(self) -> None:
        if self._ended:
            return
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, self._due - time.monotonic()))

    def _on_tick(self, frame: FrameType) -> None:
        now = time.monotonic()
        if now >= self._due:
            # For the mean time between looks, and for that by which this one is late: what is waited for then
            # is where it was found. An even beat would meet a periodic workload at always the same places.
            seconds = 1 / self._rate + now - self._due
            self._due = now + random.expovariate(self._rate)
            self._tasks.tick()
            frames: dict[int, FrameType] = sys._current_frames()
            frames[self._main] = frame
            for ident, tid in self._threads.found.items():
                if ident in frames:
                    self._tally.add(ident, tid, frames[ident], seconds)
        self._schedule()


class ThreadTicks:
    """A thread looks, whenever it gets the interpreter lock: at all of them, or at what used CPU since."""

    most = None

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
        """Nothing is left behind, and nothing stood still."""

    def _spent(self, tid: int) -> float:
        now = thread_cpu(tid) or 0.0
        before, self._used[tid] = self._used.get(tid, now), now
        return now - before
