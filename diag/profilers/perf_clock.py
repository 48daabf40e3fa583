"""The precise clock: looks at moments of a thread's CPU time that were drawn, whatever the kernel's tick."""

import errno
import resource
import signal
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from diag.profilers.perfevent import PerfEvent
from diag.profilers.strata import Strata
from diag.profilers.threadclock import thread_cpu
from diag.profilers.tick_clock import TickClock, TickWatch

#: Looks in a second on the wall for each sample that is reported in a second of CPU. At 99 Hz they leave 0.8
#: points of noise in ten busy seconds, where as many looks as samples leave 1.6.
_LOOKS: Final = 4
#: The share of the time for which the main thread may stand still for looks beyond the samples'.
_STANDING: Final = 0.01
#: Switches between threads in a second above which the events cost more than they are worth: the kernel sets
#: a timer whenever one goes on, 3 us of its CPU, and up to 10 until it runs. A node with 5,600 lost 9 % of
#: its throughput.
_SWITCHES: Final = 2_000
#: Seconds too short to tell.
_BRIEFLY: Final = 0.05
#: CPU seconds between looks at the densest. A look takes 15 us of a busy thread, and 45 of one that comes
#: from sleep with cold caches: so a burst of work in a process that is mostly idle takes 5 % longer at most.
_DENSEST: Final = 1e-3


class Used(NamedTuple):
    """CPU seconds of the process, and switches between its threads, in its life up to a moment."""

    moment: float
    cpu: float
    switches: int


def used_so_far() -> Used:
    """Up to now."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return Used(time.monotonic(), time.process_time(), own.ru_nvcsw + own.ru_nivcsw)


class PerfClock:
    """Each thread has a perf event. ``refusal`` explains why there may be none.

    Where ``dense``, threads are looked at more often than samples are reported. What is mostly idle uses
    little CPU in a profile's time, and at the rate there would be few looks, which say little.
    """

    most = None

    def __init__(self, *, dense: bool, used: Callable[[], Used] = used_so_far) -> None:
        self._dense = dense
        self._beside = TickClock("threads are switched so often that a more precise clock would slow them")
        self._used = used
        self._last = used()
        self.each: float | None = None
        self._refused: OSError | None = None

    @property
    def note(self) -> str:
        """Not every thread may have got an event."""
        note = "The moments were drawn from each thread's CPU time, by perf events"
        if self._refused is None:
            return f"{note}."
        return f"{note}; of threads that got none ({self._refused}) they are the kernel's ticks."

    def watch(self, tid: int, rate: float) -> "PerfWatch | TickWatch":
        """Of a thread by its kernel id; by a timer where descriptors are short. OSError without either."""
        try:
            event = PerfEvent(tid, signal.SIGPROF)
        except OSError as error:
            watch = self._beside.watch(tid, rate)
            self._refused = error  # and not because the thread had ended: that has no timer either
            return watch
        if self.each is None:
            self.each = _DENSEST if self._dense else 1 / rate
        return PerfWatch(self, tid, event)

    def adapt(self, rate: float, cost: float) -> "PerfClock | TickClock":
        """This one, by the CPU that was used since the last time; that of ticks where switches are many."""
        before, now = self._last, self._used()
        seconds = now.moment - before.moment
        if seconds < _BRIEFLY:
            return self  # what was used since stays in the account of the next time
        self._last = now
        if now.switches - before.switches > _SWITCHES * seconds:
            return self._beside
        if self._dense:
            self.each = spaced(rate, (now.cpu - before.cpu) / seconds, cost)
        return self


class PerfWatch:
    """The looks at one thread."""

    def __init__(self, clock: PerfClock, tid: int, event: PerfEvent) -> None:
        self._clock = clock
        self._tid = tid
        self._event = event
        now = thread_cpu(tid) or 0.0
        self._strata = Strata(clock.each or _DENSEST, now)
        self._arm(now)

    def charge(self) -> float | None:
        """Seconds that a look at this moment stands for, 0 before it is due; None when the thread is gone."""
        now = thread_cpu(self._tid)
        if now is None:
            return None
        seconds = self._strata.charge(now, self._clock.each or _DENSEST)
        if seconds or now > self._early:
            self._arm(now)
        return seconds

    def _arm(self, now: float) -> None:
        # The event's clock may be fast, and it signal before the look is due; hardly before half the time.
        self._early = (now + self._strata.due) / 2
        self._event.arm(self._strata.due - now)

    def close(self) -> None:
        """There are no more."""
        self._event.close()


def spaced(rate: float, share: float, cost: float) -> float:
    """CPU seconds from one look to the next: of a process that uses such a ``share`` of a processor, where a
    look takes so many seconds.
    """
    looks = min(_LOOKS * rate, _STANDING / cost) if cost else _LOOKS * rate
    return min(max(share / looks, _DENSEST), 1 / rate)


def refusal(error: OSError) -> str:
    """Why there are no perf events, and what to do about it."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "perf events are not permitted: grant CAP_PERFMON or set kernel.perf_event_paranoid to 1, and in "
            "a container let its seccomp filter pass perf_event_open"
        )
    return f"there are no perf events ({error})"
