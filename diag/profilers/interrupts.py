"""CPU profiles by the interpreter's own fault handler, at the signal of a timer that counts CPU time.

The kernel interrupts the thread that burns the CPU, and ``faulthandler`` writes that thread's Python stack
at this very point, from C: inside a C function too, and without the interpreter lock. So nothing is stopped
from outside, no thread that waits is seen, and no time slides to a later line, as it does when Python code
handles the signal. A profile costs what the dumps cost, about 5 us a frame, whatever the number of threads.

What stays inexact: C functions count for the Python line that called them, threads that Python does not know
have no stack and are added from the kernel's clock of their CPU time, the kernel's tick bounds the rate
(often 250 Hz), and no more than 100 frames of a stack are written.
"""

import asyncio
import faulthandler
import fcntl
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

from diag.profilers import labels
from diag.profilers.capture import Capture
from diag.profilers.frames import FrameNames, fold, raw_stack, safe
from diag.profilers.native import outside
from diag.profilers.qualified import QualifiedNames
from diag.profilers.requests import CpuRequest
from diag.profilers.span import Span
from diag.profilers.threadclock import all_thread_cpu
from diag.profilers.tracebacks import Places, Tracebacks, read_tracebacks
from diag.profilers.work import Abandoned, in_thread

_BIAS: Final = (
    "Stacks were taken where the CPU time was spent; C code counts for the Python line that called it."
)
#: Seconds of dumps fit into the pipe; it is emptied far more often.
_PIPE_BYTES: Final = 1 << 20
_EMPTIED_EVERY: Final = 0.1
_READ_BYTES: Final = 1 << 16


class Interrupts:
    """One profile of this process, awaited in its main thread. Make a new one for each."""

    def __init__(self, request: CpuRequest, span: Span) -> None:
        self._request = request
        self._span = span
        self._loop = asyncio.get_running_loop()
        self._written = bytearray()
        self._python_threads: set[int] = set()
        self._ends = (-1, -1)
        self._dump_cost = 0.0

    async def run(self) -> Capture:
        """Sample for the time asked. Cancellation takes timer, handler and pipe away."""
        before, started = all_thread_cpu(), time.monotonic()
        previous = self._arm()
        try:
            self._span.begin()
            await in_thread("profile-stacks", self._collect)
        finally:
            self._disarm(previous)
        seconds, after = time.monotonic() - started, all_thread_cpu()
        return await in_thread("profile-names", lambda _stop: self._capture(seconds, before, after))

    def _arm(self) -> "signal._HANDLER":
        self._ends = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with suppress(OSError):
            fcntl.fcntl(self._ends[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        previous = signal.signal(signal.SIGPROF, self._mark)
        signal.siginterrupt(signal.SIGPROF, False)
        faulthandler.register(signal.SIGPROF, file=self._ends[1], all_threads=False, chain=True)
        self._dump_cost = min(self._timed_dump() for _ in range(3))
        self._empty()
        self._written.clear()
        # One even beat: begun anew now and then, it would miss what follows a pause, for the kernel's tick
        # notices the end of a beat late.
        signal.setitimer(signal.ITIMER_PROF, 1 / self._request.frequency, 1 / self._request.frequency)
        return previous

    def _timed_dump(self) -> float:
        started = time.perf_counter()
        signal.raise_signal(signal.SIGPROF)
        return time.perf_counter() - started

    def _disarm(self, previous: "signal._HANDLER") -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.unregister(signal.SIGPROF)
        # Ignoring discards a signal that is still on its way; its default action would end the process.
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        signal.signal(signal.SIGPROF, previous)
        self._empty()
        for end in self._ends:
            os.close(end)

    def _mark(self, _signum: int, frame: FrameType | None) -> None:
        """Say after a dump what the event loop serves. Nothing may come out of here: it interrupts anyone."""
        with suppress(Exception):
            busy = asyncio.current_task(self._loop) is not None
            request = labels.request_now(self._loop, () if busy else raw_stack(frame))
            os.write(self._ends[1], f"@{safe(request or '')}\n".encode())

    def _collect(self, stop: threading.Event) -> None:
        deadline = time.monotonic() + self._request.seconds
        while not self._span.over() and (left := deadline - time.monotonic()) > 0:
            self._python_threads |= {thread.native_id or 0 for thread in threading.enumerate()}
            if stop.wait(min(left, self._span.watch, _EMPTIED_EVERY)):
                raise Abandoned
            self._empty()

    def _empty(self) -> None:
        with suppress(BlockingIOError):
            while chunk := os.read(self._ends[0], _READ_BYTES):
                self._written += chunk

    def _capture(self, seconds: float, before: dict[int, float], after: dict[int, float]) -> Capture:
        found = read_tracebacks(bytes(self._written))
        spent = {tid: cpu - before.get(tid, 0.0) for tid, cpu in after.items()}
        python = sum(cpu for tid, cpu in spent.items() if tid in self._python_threads)
        taken = sum(found.counts.values())
        rate = min(float(self._request.frequency), (taken + found.torn) / python) if python > 0.05 else None
        weights, labelled = _named(found)
        others = {tid: cpu for tid, cpu in spent.items() if tid not in self._python_threads}
        unseen = outside(others, rate or float(self._request.frequency))
        weights.update(unseen)
        labelled.update(unseen)
        return Capture(
            folded=fold(labels.rooted(labelled) if self._request.by == "request" else weights),
            labelled=fold(labelled),
            kind="cpu",
            unit="samples",
            engine="signal",
            mode="cpu",
            seconds=seconds,
            samples=sum(weights.values()),
            errors=found.torn,
            rate_asked=float(self._request.frequency),
            rate_effective=rate,
            pause_share=min(1.0, self._dump_cost * taken / seconds),
            notes=(_BIAS, *_cut_note(found)),
        )


def obstacle() -> str | None:
    """Why no profile of this kind can be taken here and now, or None."""
    if not hasattr(faulthandler, "register") or not hasattr(os, "pipe2"):
        return "this system has no signal to take stacks at"
    if threading.current_thread() is not threading.main_thread():
        return "the event loop does not run in the main thread"
    taken = signal.getsignal(signal.SIGPROF) not in (signal.SIG_DFL, signal.SIG_IGN)
    if taken or signal.getitimer(signal.ITIMER_PROF)[0] or _caught(signal.SIGPROF):
        return "SIGPROF is in use by something else"
    return None


def _caught(signum: int) -> bool:
    """Whether some handler that Python does not know of waits for the signal."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) >> (signum - 1) & 1)


def _named(found: Tracebacks) -> tuple[Counter[str], Counter[str]]:
    """Samples by stack, and by stack under a frame for the request served, where there was one."""
    names, qualified = FrameNames(), QualifiedNames()
    weights: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for (request, places), count in found.counts.items():
        if _is_ours(places):
            continue
        stack = ";".join(names.text(qualified.of(place), place.file, place.line) for place in places)
        weights[stack] += count
        labelled[stack if request is None else f"{safe(labels.FRAME + request)};{stack}"] += count
    return weights, labelled


def _is_ours(places: Places) -> bool:
    """A stack of the thread that empties the pipe."""
    return any(place.file == __file__ and place.name == "_collect" for place in places)


def _cut_note(found: Tracebacks) -> list[str]:
    return [f"{found.cut} stacks were deeper than 100 frames and lack their roots."] if found.cut else []
