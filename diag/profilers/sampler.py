"""CPU and wall-clock profiles from inside, for when py-spy is missing or refused.

A thread that reads ``sys._current_frames()`` on a timer gets the interpreter lock when the event loop lets
go of it, that is, when the loop waits: it sees little else. So the ticks are signals, handled in the main
thread between two bytecodes: ``ITIMER_PROF`` counts CPU time, ``ITIMER_REAL`` time on the wall. Each thread
is then charged by the kernel's clock of its CPU time, so that a parked one gets nothing.

The handler is Python's own, which runs where frames are whole. ``faulthandler`` could write a stack at the
signal itself, from C and without skid, but it then meets frames half made: Python 3.11.7, 3.12.1 and 3.13.0
each died of that within a minute of samples every millisecond under calls from C into Python.

What stays inexact: time inside C code is charged to the line that called it, threads other than the main
one are seen where they gave up the interpreter lock, and the kernel's tick bounds the rate of CPU samples
(often 250 Hz). When the loop does not run in the main thread, or the signal is taken, ticks come from a
thread and the Capture says so.
"""

import asyncio
import random
import signal
import sys
import threading
import time
from collections import Counter
from types import FrameType

from diag.profilers import labels, native
from diag.profilers.capture import Capture
from diag.profilers.frames import FrameNames, RawStack, fold, raw_stack, safe
from diag.profilers.requests import CpuRequest
from diag.profilers.span import Span
from diag.profilers.threadclock import all_thread_cpu, thread_cpu
from diag.profilers.waiting import WaitingTasks
from diag.profilers.work import in_thread

_REFRESH = 0.05
_TIMERS = {
    "cpu": (signal.SIGPROF, signal.ITIMER_PROF),
    "wall": (signal.SIGALRM, signal.ITIMER_REAL),
}
_BIAS = {
    "cpu": "Stacks were taken when Python code went on, so a C call's time may count for the line after it.",
    "wall": "Every thread counts all the time, and beside them every task for the time that it is suspended; "
    "a C call's time may count for the line after it.",
}
_FROM_THREAD = (
    "Samples were taken by a thread, because {why}; it sees an event loop mostly where the loop waits, so "
    "shares may be off."
)


class Sampler:
    """One profile of this process. Make a new one for each."""

    def __init__(self, request: CpuRequest, span: Span) -> None:
        self._span = span
        self._mode = "wall" if request.mode == "wall" else "cpu"
        self._request = request
        self._rate = request.frequency
        self._counts: Counter[tuple[int, str | None, RawStack]] = Counter()
        self._serving: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._seen: Counter[int] = Counter()
        self._tasks: WaitingTasks | None = None
        self._ticks = 0
        self._clock: dict[int, float] = {}
        self._credit: dict[int, float] = {}
        self._native_ids: dict[int, int] = {}
        self._own = 0
        self._armed = False
        self._by_signal = False

    async def run(self) -> Capture:
        """Sample for the time asked. Cancellation takes timer and handler away."""
        obstacle = self._obstacle()
        before, cpu, started = all_thread_cpu(), time.process_time(), time.monotonic()
        self._clock = dict(before)
        self._serving = threading.get_ident(), asyncio.get_running_loop()
        if self._mode == "wall":
            self._tasks = WaitingTasks(self._serving[1], self._rate)
        self._learn_threads()
        self._by_signal = obstacle is None
        if obstacle is None:
            previous = self._arm()
            self._span.begin()
            try:
                await in_thread("profile-threads", self._follow_threads)
            finally:
                self._disarm(previous)
        else:
            self._span.begin()
            await in_thread("profile-sampler", self._tick_from_thread)
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        notes = (_BIAS[self._mode],) if obstacle is None else (_FROM_THREAD.format(why=obstacle),)
        after = all_thread_cpu()
        return await asyncio.to_thread(self._capture, seconds, cpu, before, after, notes)

    def _obstacle(self) -> str | None:
        if threading.current_thread() is not threading.main_thread():
            return "the event loop does not run in the main thread"
        signum, timer = _TIMERS[self._mode]
        if signal.getsignal(signum) not in (signal.SIG_DFL, signal.SIG_IGN) or signal.getitimer(timer)[0]:
            return f"{signal.Signals(signum).name} is in use by something else"
        return None

    def _arm(self) -> "signal._HANDLER":
        signum, _ = _TIMERS[self._mode]
        previous = signal.signal(signum, self._on_signal)
        signal.siginterrupt(signum, False)
        self._armed = True
        self._schedule()
        return previous

    def _schedule(self) -> None:
        timer = _TIMERS[self._mode][1]
        if self._mode == "cpu":
            signal.setitimer(timer, 1 / self._rate, 1 / self._rate)
        else:
            # An even beat on the wall would meet a periodic workload at always the same places.
            signal.setitimer(timer, random.uniform(0.5, 1.5) / self._rate)  # noqa: S311 - no secret

    def _disarm(self, previous: "signal._HANDLER") -> None:
        signum, timer = _TIMERS[self._mode]
        self._armed = False
        signal.setitimer(timer, 0)
        # Ignoring discards a signal that is still on its way; its default action would end the process.
        signal.signal(signum, signal.SIG_IGN)
        signal.signal(signum, previous)

    def _on_signal(self, _signum: int, frame: FrameType | None) -> None:
        frames: dict[int, FrameType | None] = dict(sys._current_frames())
        frames[threading.get_ident()] = frame
        self._tick(frames)
        if self._armed and self._mode == "wall":
            self._schedule()

    def _follow_threads(self, stop: threading.Event) -> None:
        # threading.enumerate() takes a lock, which a signal handler must not do: it is read here instead
        self._own = threading.get_ident()
        deadline = time.monotonic() + self._request.seconds
        while not self._ended(stop, deadline, min(_REFRESH, self._span.watch)):
            self._learn_threads()

    def _tick_from_thread(self, stop: threading.Event) -> None:
        self._own = threading.get_ident()
        deadline = time.monotonic() + self._request.seconds
        while not self._ended(stop, deadline, 1 / self._rate):
            self._learn_threads()
            self._tick(dict(sys._current_frames()))

    def _ended(self, stop: threading.Event, deadline: float, pause: float) -> bool:
        """Whether the profile is at its end, after a pause of so many seconds if it is not."""
        left = deadline - time.monotonic()
        return left <= 0 or self._span.over() or stop.wait(min(left, pause))

    def _learn_threads(self) -> None:
        self._native_ids = {
            thread.ident: thread.native_id
            for thread in threading.enumerate()
            if thread.ident is not None and thread.native_id is not None
        }

    def _tick(self, frames: dict[int, FrameType | None]) -> None:
        self._ticks += 1
        if self._tasks is not None:
            self._tasks.tick()
        for ident, frame in frames.items():
            tid = self._native_ids.get(ident)
            if tid is None or ident == self._own:
                continue
            due = 1 if self._mode == "wall" else self._earned(tid)
            if due:
                stack = raw_stack(frame)
                self._counts[tid, self._request_of(ident, stack), stack] += due
                self._seen[tid] += due

    def _request_of(self, ident: int, stack: RawStack) -> str | None:
        """What the event loop serves; other threads do not say for whom they work."""
        if self._serving is None or ident != self._serving[0]:
            return None
        return labels.request_now(self._serving[1], stack)

    def _earned(self, tid: int) -> int:
        """Whole samples that the thread's CPU time since its last tick is worth; the rest is kept."""
        now = thread_cpu(tid)
        if now is None:
            return 0
        credit = self._credit.get(tid, 0.0) + (now - self._clock.get(tid, now)) * self._rate
        self._clock[tid] = now
        due = int(credit)
        self._credit[tid] = credit - due
        return due

    def _capture(
        self,
        seconds: float,
        cpu: float,
        before: dict[int, float],
        after: dict[int, float],
        notes: tuple[str, ...],
    ) -> Capture:
        weights, labelled = self._weights()
        if self._mode == "cpu":
            outside = native.unseen(before, after, self._rate, self._seen)
            weights.update(outside)
            labelled.update(outside)
        by_request = self._request.by == "request"
        ticked_over = cpu if self._mode == "cpu" and self._by_signal else seconds
        return Capture(
            folded=fold(labels.rooted(labelled) if by_request else weights),
            labelled=fold(labelled),
            kind="cpu",
            unit="samples",
            engine="inprocess",
            mode=self._mode,
            seconds=seconds,
            samples=sum(weights.values()),
            rate_asked=float(self._rate),
            rate_effective=min(float(self._rate), self._ticks / ticked_over) if ticked_over > 0.05 else None,
            notes=notes,
        )

    def _weights(self) -> tuple[Counter[str], Counter[str]]:
        """Samples by stack, and by stack under a frame for the request served, where there was one."""
        names = FrameNames()
        threads = {thread.native_id: thread.name for thread in threading.enumerate()}
        weights: Counter[str] = Counter()
        labelled: Counter[str] = Counter()
        for (tid, request, raw), count in self._counts.items():
            stack = names.stack(raw)
            if self._mode == "wall":
                stack = f"thread {threads.get(tid, tid)};{stack}"
            weights[stack] += count
            labelled[stack if request is None else f"{safe(labels.FRAME + request)};{stack}"] += count
        if self._tasks is not None:
            waiting = self._tasks.weights(names)
            weights.update(waiting)
            labelled.update(waiting)
        return weights, labelled
