"""Looks at threads at moments of their own CPU time, from a signal's handler in the main thread."""

import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from types import FrameType
from typing import Final

from diag.profilers.clocks import Clock, Watch
from diag.profilers.handler import Handler
from diag.profilers.tally import Tally
from diag.profilers.threadclock import thread_cpu

#: Threads that begin are looked for so many times more seldom than stacks, in this share of the time at most.
SELDOM: Final = 10
_LOOKING: Final = 0.005
#: More threads than this are not all looked over for whose look is due.
_MANY: Final = 32

_NOTE: Final = (
    "Stacks were taken between two bytecodes of the main thread: a call into C counts for the line that made "
    "it, but what an operator or an iterator does in C may count for the call after it. Another thread is "
    "seen where it lets go of the interpreter lock: what it does in bursts counts for the wait after them."
)


class Threads:
    """Kernel ids of Python's threads by Python's ids, without the one that looks for them."""

    def __init__(self) -> None:
        self.found: dict[int, int] = {}

    def look(self, rate: float) -> float:
        """Find who runs, the calling thread left out; the seconds until that is to be done again.

        It depends on the ``rate`` of stacks in Hz.

        ``threading.enumerate`` takes a lock, which a signal handler must not do.
        """
        started, own = time.monotonic(), threading.get_ident()
        self.found = {
            thread.ident: thread.native_id
            for thread in threading.enumerate()
            if thread.ident is not None and thread.native_id is not None and thread.ident != own
        }
        return max(SELDOM / rate, (time.monotonic() - started) / _LOOKING)


class CpuTicks:
    """Each thread that uses CPU is watched by a clock of its own, and looked at when that says so.

    The profiler's thread sets watches up and takes them off the list. It closes none: the handler may be in
    the middle of one, and a descriptor or timer that is closed there may be somebody else's at once. They are
    closed on the main thread, by the handler before it looks at the list, or at the end.
    """

    def __init__(self, tally: Tally, rate: float, clock: Clock) -> None:
        self._tally = tally
        self._rate = rate
        self._clock = clock
        self._main, self._main_tid = threading.get_ident(), threading.get_native_id()
        self._threads = Threads()
        self._used: dict[int, float] = {}
        self._watched: dict[int, tuple[int, Watch]] = {}
        self._left: deque[Watch] = deque()

    @property
    def note(self) -> str:
        """What is inexact about the stacks, and by which clock they were taken."""
        return f"{_NOTE} {self._clock.note}"

    @property
    def most(self) -> tuple[int, str] | None:
        """How many looks there are in a CPU second, and why, by the clock that serves now."""
        return self._clock.most

    def begin(self) -> None:
        """On the main thread. OSError, with nothing left behind, where there are no such clocks."""
        self._handler = Handler(signal.SIGPROF, self._on_tick)
        try:
            self._watch(self._main, self._main_tid)
        except OSError:
            self._handler.close()
            raise
        self.look()

    def look(self) -> float:
        """Watch every thread; of very many, those that have used CPU since the last look."""
        self._adapt()
        pause = self._threads.look(self._rate)
        many = len(self._threads.found) > _MANY
        for ident, tid in self._threads.found.items():
            if tid not in self._watched:
                now = thread_cpu(tid) or 0.0
                if not many or now > self._used.setdefault(tid, now):
                    # There may be as many timers as signals in a queue; who gets none is told by the kernel.
                    with suppress(OSError):
                        self._watch(ident, tid)
        there = {*self._threads.found.values(), self._main_tid}
        for tid in self._watched.keys() - there:
            self._drop(tid)
        return pause

    def end(self) -> float:
        """No signal comes any more. The seconds for which the main thread stood still."""
        for tid in list(self._watched):
            self._drop(tid)
        self._close_left()
        self._handler.close()
        return self._handler.seconds

    def _adapt(self) -> None:
        """Those who are watched go on by another clock, where that suits them better."""
        clock = self._clock.adapt(self._rate, self._handler.seconds / max(1, self._tally.looks))
        if clock is self._clock:
            return
        self._clock = clock
        for tid, (ident, _) in list(self._watched.items()):
            self._drop(tid)
            with suppress(OSError):
                self._watch(ident, tid)

    def _watch(self, ident: int, tid: int) -> None:
        self._watched[tid] = ident, self._clock.watch(tid, self._rate)

    def _drop(self, tid: int) -> None:
        """No more looks. The handler and the profiler's thread may both see that a thread has ended."""
        watched = self._watched.pop(tid, None)
        if watched is not None:
            self._left.append(watched[1])

    def _close_left(self) -> None:
        with suppress(IndexError):  # the handler may come between any two steps, and close them first
            while True:
                self._left.popleft().close()

    def _on_tick(self, frame: FrameType) -> None:
        self._close_left()
        frames: dict[int, FrameType] | None = None
        for tid, (ident, watch) in list(self._watched.items()):
            seconds = watch.charge()
            if seconds is None:
                self._drop(tid)
            if not seconds:
                continue
            if ident == self._main:
                found: FrameType | None = frame
            else:
                frames = frames or sys._current_frames()
                found = frames.get(ident)
            if found is not None:
                self._tally.add(ident, tid, found, seconds)
