"""CPU and wall-clock profiles from inside the process, which know tasks and requests and stop nothing.

A thread that reads ``sys._current_frames()`` on a timer gets the interpreter lock when the event loop lets
go of it, that is, when the loop waits: it sees little else. So looks are taken by a signal's handler in the
main thread, between two bytecodes, at moments of each thread's CPU clock (``ticks``, ``clocks``) or of the
wall clock (``wall_ticks``). When the loop does not run in the main thread, or the signal is taken, they come
from a thread and the Capture says so.

The handler is Python's own, which runs where frames are whole. ``faulthandler`` could write a stack at the
signal itself, from C and without skid, but it then meets frames half made: Python 3.11.7, 3.12.1 and 3.13.0
each died of that within a minute of samples every millisecond under calls from C into Python.
"""

import asyncio
import signal
import threading
import time
from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

from diag.profilers import labels, native
from diag.profilers.capture import Capture
from diag.profilers.clocks import Clock, best_clock
from diag.profilers.frames import FrameNames, fold
from diag.profilers.rate import Rate, settled
from diag.profilers.requests import CpuRequest
from diag.profilers.span import Span
from diag.profilers.tally import Tally
from diag.profilers.threadclock import all_thread_cpu
from diag.profilers.ticks import CpuTicks
from diag.profilers.waiting import WaitingTasks
from diag.profilers.wall_ticks import ThreadTicks, WallTicks
from diag.profilers.work import in_thread

_TIMERS: Final = {
    "cpu": (signal.SIGPROF, signal.ITIMER_PROF),
    "wall": (signal.SIGALRM, signal.ITIMER_REAL),
}


def obstacle(mode: str) -> str | None:
    """Why no signal can take the samples of a loop in the calling thread; None when one can."""
    if threading.current_thread() is not threading.main_thread():
        return "the event loop does not run in the main thread"
    signum, timer = _TIMERS[mode]
    if signal.getsignal(signum) not in (signal.SIG_DFL, signal.SIG_IGN) or signal.getitimer(timer)[0]:
        return f"{signal.Signals(signum).name} is in use by something else"
    return None


class Ticks(Protocol):
    """``begin`` and ``end`` on the thread of the event loop, ``look`` again and again on another one.

    ``look`` does what is not for a handler, and gives the seconds until it is to be done again. ``note`` says
    what is inexact about the stacks, ``most`` as of a clock. ``end`` gives the seconds for which the main
    thread stood still, where it did.
    """

    @property
    def note(self) -> str: ...

    @property
    def most(self) -> tuple[int, str] | None: ...

    def begin(self) -> None: ...

    def look(self) -> float: ...

    def end(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class _Begun:
    """When, with how much CPU by kernel thread id so far, and by what."""

    started: float
    before: dict[int, float]
    ticks: Ticks


@dataclass(frozen=True, slots=True)
class _Spent:
    """Seconds on the wall, and CPU seconds by kernel thread id at both ends; those of the profiler's thread,
    and for how many the main thread stood still.
    """

    seconds: float
    before: dict[int, float]
    after: dict[int, float]
    own: float = 0.0
    stood: float | None = None

    def by_thread(self) -> dict[int, float]:
        return {tid: cpu - self.before.get(tid, 0.0) for tid, cpu in self.after.items()}


class Sampler:
    """One profile of this process. Make a new one for each, on the thread of the event loop.

    With ``ids`` samples carry those of requests. CPU time is told by the best clock there is, which looks
    more often than samples are reported where ``dense``; or by the ``clock`` that is given.
    """

    def __init__(
        self,
        request: CpuRequest,
        span: Span,
        *,
        ids: bool = True,
        dense: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._span = span
        self._ids = ids
        self._mode = "wall" if request.mode == "wall" else "cpu"
        self._request = request
        self._dense = dense
        self._clock = clock
        self._threads = threading.active_count()
        self._tasks: WaitingTasks | None = None
        self._begun: _Begun | None = None

    async def run(self) -> Capture:
        """Sample for the time asked. Cancellation takes timers and handler away."""
        async with self._clock_for() as clock:
            return await self._by(clock)

    def _clock_for(self) -> AbstractAsyncContextManager[Clock | None]:
        if self._mode == "wall" or self._clock is not None:
            return nullcontext(self._clock)
        return best_clock(dense=self._dense)

    async def _by(self, clock: Clock | None) -> Capture:
        loop = asyncio.get_running_loop()
        self._tally = Tally(loop, ids=self._ids)
        self._rate = float(self._settled(None if clock is None else clock.most).hertz)
        if self._mode == "wall":
            self._tasks = WaitingTasks(loop, self._rate)
        before, started = all_thread_cpu(), time.monotonic()
        ticks = self._begin(clock)
        begun = self._begun = _Begun(started, before, ticks)
        try:
            self._span.begin()
            own = await in_thread("profile-threads", lambda stop: self._look(ticks, stop))
        finally:
            stood = ticks.end()
        return await asyncio.to_thread(self._capture, _spent(begun, own, stood), ticks)

    def so_far(self) -> Capture | None:
        """What was seen until now, in the middle of ``run``; None before it has begun. From any thread."""
        begun = self._begun
        return None if begun is None else self._capture(_spent(begun), begun.ticks)

    def _settled(self, most: tuple[int, str] | None) -> Rate:
        return settled(self._request.frequency, "inprocess", self._mode, self._threads, most=most)

    def _begin(self, clock: Clock | None) -> Ticks:
        why = obstacle(self._mode)
        if why is None:
            ticks = self._signalled(clock)
            try:
                ticks.begin()
            except OSError as error:
                why = f"threads have no timers of their CPU time here ({error})"
            else:
                return ticks
        ticks = ThreadTicks(self._tally, self._rate, self._tasks, why)
        ticks.begin()
        return ticks

    def _signalled(self, clock: Clock | None) -> Ticks:
        if self._tasks is not None:
            return WallTicks(self._tally, self._rate, self._tasks)
        assert clock is not None
        return CpuTicks(self._tally, self._rate, clock)

    def _look(self, ticks: Ticks, stop: threading.Event) -> float:
        """Until the end; the CPU seconds that it took."""
        deadline = time.monotonic() + self._request.seconds
        again = 0.0
        while (left := deadline - (now := time.monotonic())) > 0 and not self._span.over():
            if now >= again:
                again = now + min(ticks.look(), self._span.watch)
            if stop.wait(max(0.0, min(left, self._span.watch, again - time.monotonic()))):
                break
        return time.thread_time()

    def _capture(self, spent: _Spent, ticks: Ticks) -> Capture:
        asked = self._request.frequency
        # Not the rate at the beginning: the clock may have been left for one that gives fewer looks.
        chosen = self._settled(ticks.most)
        rate = float(chosen.hertz)
        if self._tasks is None:
            weights = self._cpu_weights(spent, rate)
        else:
            weights = self._wall_weights(spent, rate, self._tasks)
        plain = labels.without_labels(weights)
        by_request = self._request.by == "request"
        return Capture(
            folded=fold(labels.rooted(labels.without_ids(weights)) if by_request else plain),
            labelled=fold(weights),
            kind="cpu",
            unit="samples",
            engine="inprocess",
            mode=self._mode,
            seconds=spent.seconds,
            samples=sum(plain.values()),
            rate_asked=None if asked is None else float(asked),
            rate_effective=rate,
            pause_share=None if spent.stood is None else spent.stood / spent.seconds,
            looks=self._tally.looks,
            notes=(ticks.note, *chosen.notes),
        )

    def _cpu_weights(self, spent: _Spent, rate: float) -> Counter[str]:
        """A thread's stacks share what the kernel says that it used."""
        used, seen = spent.by_thread(), self._tally.by_thread()
        scales = {
            tid: rate * (used.get(tid, seconds) / seconds) for tid, seconds in seen.items() if seconds > 0
        }
        weights = self._tally.weights(FrameNames(), scales)
        counted = {tid: round(seen[tid] * scale) for tid, scale in scales.items()}
        weights.update(native.unseen(spent.before, spent.after, rate, counted))
        weights[native.PROFILER] += round(spent.own * rate)
        return weights

    def _wall_weights(self, spent: _Spent, rate: float, tasks: WaitingTasks) -> Counter[str]:
        names = FrameNames()
        threads = {thread.native_id: thread.name for thread in threading.enumerate() if thread.native_id}
        scales = dict.fromkeys(self._tally.by_thread(), rate)
        weights = self._tally.weights(names, scales, threads)
        weights.update(tasks.weights(names, rate * spent.seconds))
        return weights


def _spent(begun: _Begun, own: float = 0.0, stood: float | None = None) -> _Spent:
    return _Spent(time.monotonic() - begun.started, begun.before, all_thread_cpu(), own, stood)
