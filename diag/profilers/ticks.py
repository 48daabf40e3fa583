"""Looks at threads at moments of their own CPU time, from a signal's handler in the main thread."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

from diag.profilers.spacing import Spacing, TickPhase
from diag.profilers.tally import Tally
from diag.profilers.threadclock import kernel_tick, own_sleeps, thread_cpu
from diag.profilers.threadtimer import ThreadTimer

#: Threads that begin are looked for so many times more seldom than stacks, in this share of the time at most.
SELDOM: Final = 10
_LOOKING: Final = 0.005
#: Seconds that no thread waits for the interpreter lock where none holds it for long.
_HANDED_OVER: Final = 0.001
#: More threads than this are not all looked over for whose timer has fired.
_MANY: Final = 32


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


class Handler:
    """A signal of this process, handled by ``work`` until closed; ``work`` never runs within itself.

    ``seconds`` is how long the main thread has stood still for it.
    """

    def __init__(self, signum: signal.Signals, work: Callable[[FrameType], None]) -> None:
        self._signum = signum
        self._work = work
        self._within = False
        self._again = False
        self.seconds = 0.0
        self._previous = signal.signal(signum, self._on_signal)
        signal.siginterrupt(signum, False)

    def close(self) -> None:
        """The signal means what it did before."""
        # Ignoring discards a signal that is still on its way; its default action would end the process.
        signal.signal(self._signum, signal.SIG_IGN)
        signal.signal(self._signum, self._previous)

    def _on_signal(self, _signum: int, frame: FrameType | None) -> None:
        began = time.perf_counter()
        while frame is not None and frame.f_code is Handler._on_signal.__code__:
            frame = frame.f_back  # it came between the last of this function's work and its end
        self._again = True
        # Whatever arrives before ``_within`` is taken back is found by the loop, and later it is not within.
        while self._again and not self._within:
            self._within = True
            self._again = False
            # From here an error would go to whoever was interrupted; a look that failed is one less.
            with suppress(Exception):
                if frame is not None:
                    self._work(frame)
            self._within = False
            self.seconds += time.perf_counter() - began


class Waits:
    """How often the main thread has waited for work; handing over the interpreter lock is no wait."""

    def __init__(self) -> None:
        self._count = 0
        self._last = time.monotonic(), time.thread_time(), own_sleeps()

    def until(self, moment: float, used: float) -> int:
        """Up to a moment of the monotonic clock, at which the thread has used so much CPU in its life."""
        then, before, slept = self._last
        self._last = moment, used, own_sleeps()
        if (moment - then) - (used - before) > _HANDED_OVER:
            self._count += self._last[2] - slept
        return self._count


class CpuTicks:
    """Each thread that uses CPU has a timer on its own clock, and is looked at when that fires."""

    note = (
        "Stacks were taken between two bytecodes of the main thread: a call into C counts for the line that "
        "made it, but what an operator or an iterator does in C may count for the call after it."
    )

    def __init__(self, tally: Tally, rate: float) -> None:
        self._tally = tally
        self._tick = kernel_tick()
        self._rate = rate
        self._phase = TickPhase(self._tick)
        self._main, self._main_tid = threading.get_ident(), threading.get_native_id()
        self._threads = Threads()
        self._waits = Waits()
        self._used: dict[int, float] = {}
        self._timed: dict[int, tuple[int, Spacing, ThreadTimer]] = {}

    def begin(self) -> None:
        """On the main thread. OSError, with nothing left behind, where there are no such timers."""
        self._handler = Handler(signal.SIGPROF, self._on_tick)
        try:
            self._time(self._main, self._main_tid)
        except OSError:
            self._handler.close()
            raise
        self.look()

    def look(self) -> float:
        """Give a timer to every thread; of very many, to those that have used CPU since the last look."""
        pause = self._threads.look(self._rate)
        many = len(self._threads.found) > _MANY
        for ident, tid in self._threads.found.items():
            if tid not in self._timed:
                now = thread_cpu(tid) or 0.0
                if not many or now > self._used.setdefault(tid, now):
                    # There may be as many timers as signals in a queue; who gets none is told by the kernel.
                    with suppress(OSError):
                        self._time(ident, tid)
        there = {*self._threads.found.values(), self._main_tid}
        for tid in self._timed.keys() - there:
            self._drop(tid)
        return pause

    def end(self) -> float:
        """No signal comes any more. The seconds for which the main thread stood still."""
        timed, self._timed = self._timed, {}
        for _, _, timer in timed.values():
            timer.close()
        self._handler.close()
        return self._handler.seconds

    def _time(self, ident: int, tid: int) -> None:
        now = thread_cpu(tid)
        if now is None:
            return
        spacing, timer = Spacing(self._rate, self._tick, now), ThreadTimer(tid, signal.SIGPROF)
        timer.arm(spacing.due - now)
        self._timed[tid] = ident, spacing, timer

    def _drop(self, tid: int) -> None:
        """The thread has ended. The handler and the profiler's thread may both see it."""
        timed = self._timed.pop(tid, None)
        if timed is not None:
            timed[2].close()

    def _on_tick(self, frame: FrameType) -> None:
        frames: dict[int, FrameType] | None = None
        for tid, (ident, spacing, timer) in list(self._timed.items()):
            if not timer.fired():
                continue
            now = thread_cpu(tid)
            if now is None:
                self._drop(tid)
                continue
            if ident == self._main:
                found: FrameType | None = frame
                moment = time.monotonic()
                late = self._phase.late(timer.processor(), moment)
                seconds = spacing.charge(now, late, self._waits.until(moment, now))
            else:
                frames = frames or sys._current_frames()
                found = frames.get(ident)
                seconds = spacing.charge(now, 0.0, 0)
            timer.arm(spacing.due - now)
            if found is not None:
                self._tally.add(ident, tid, found, seconds)
