"""The clock that every Linux lets a process have: looks at ticks of the kernel."""

import signal
import threading
import time
from typing import Final

from diag.profilers.spacing import Spacing, TickPhase
from diag.profilers.threadclock import kernel_tick, own_sleeps, thread_cpu
from diag.profilers.threadtimer import ThreadTimer

#: Seconds that no thread waits for the interpreter lock where none holds it for long.
_HANDED_OVER: Final = 0.001


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


class TickClock:
    """Each thread has a timer. Made on the main thread; ``why`` there is no better clock."""

    def __init__(self, why: str = "it was asked for") -> None:
        self._tick = kernel_tick()
        self._phase = TickPhase(self._tick)
        self._waits = Waits()
        hertz = round(1 / self._tick)
        self.note = f"The moments are the kernel's ticks, {hertz} in a second of CPU at most: {why}."
        self.most = hertz, "the kernel tells a thread's time no more often"

    def watch(self, tid: int, rate: float) -> "TickWatch":
        """Of a thread by its kernel id. OSError where there are no such timers."""
        if tid == threading.main_thread().native_id:
            return MainTickWatch(tid, rate, self._tick, self._phase, self._waits)
        return TickWatch(tid, rate, self._tick)

    def adapt(self, rate: float, cost: float) -> "TickClock":
        """This one: there are no more ticks when little CPU is used."""
        return self


class TickWatch:
    """The looks at one thread."""

    def __init__(self, tid: int, rate: float, tick: float) -> None:
        self._tid = tid
        now = thread_cpu(tid) or 0.0
        self._spacing, self._timer = Spacing(rate, tick, now), ThreadTimer(tid, signal.SIGPROF)
        self._timer.arm(self._spacing.due - now)

    def charge(self) -> float | None:
        """Seconds that a look at this moment stands for, 0 before it is due; None when the thread is gone."""
        if not self._timer.fired():
            return 0.0
        now = thread_cpu(self._tid)
        if now is None:
            return None
        seconds = self._spacing.charge(now, *self._held_up(now))
        self._timer.arm(self._spacing.due - now)
        return seconds

    def close(self) -> None:
        """There are no more."""
        self._timer.close()

    def _held_up(self, _now: float) -> tuple[float, int]:
        """For how long since the tick, and how often the thread has waited; not known of other threads."""
        return 0.0, 0


class MainTickWatch(TickWatch):
    """Those at the main thread, which runs the handler itself."""

    def __init__(self, tid: int, rate: float, tick: float, phase: TickPhase, waits: Waits) -> None:
        super().__init__(tid, rate, tick)
        self._phase = phase
        self._waits = waits

    def _held_up(self, now: float) -> tuple[float, int]:
        moment = time.monotonic()
        return self._phase.late(self._timer.processor(), moment), self._waits.until(moment, now)
