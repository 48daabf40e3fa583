"""All profilers of the process behind one lock: one at a time, ended when nobody waits any more."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from diag.errors import Conflict, ProfilerDenied, ProfilerMissing, Unavailable
from diag.profilers import labels
from diag.profilers.capture import Capture
from diag.profilers.cpu import PySpy
from diag.profilers.lifelong import MemoryFromStart
from diag.profilers.lock import ProfileLock
from diag.profilers.memory import Memray
from diag.profilers.operation import around
from diag.profilers.requests import CpuRequest, HeapRequest, TraceRequest
from diag.profilers.sampler import Sampler, obstacle
from diag.profilers.span import Span
from diag.profilers.stacks import StackDump, take_stacks
from diag.profilers.trace import require_free_hook, trace
from diag.profilers.turns import Turns
from diag.profilers.work import in_thread

# What a profile takes beyond its window: starting a child, folding.
_MARGIN = 1.0


class Profilers:
    """Profiles this process. Await its methods on the serving event loop; cancel them to stop a profile.

    ``py_spy`` is the program, looked for when None. ``temp_dir`` holds captures while they are made
    (unlinked). ``heap_limit`` bounds a memory capture in bytes. ``turns`` makes always-on profiling step
    aside. Every method may raise ProfilerBusy, and Unavailable once closed.
    """

    def __init__(
        self,
        lock: ProfileLock,
        *,
        py_spy: str | None = None,
        temp_dir: Path | None = None,
        heap_limit: int = 1 << 30,
        turns: Turns | None = None,
        life: MemoryFromStart | None = None,
    ) -> None:
        self._lock = lock
        self._turns = turns or Turns()
        self._life = life
        self._py_spy = PySpy(py_spy, temp_dir)
        self._memray = Memray(temp_dir, heap_limit)
        self._running: asyncio.Task[Capture] | None = None
        self._closed = False

    async def cpu(self, request: CpuRequest, holder: str) -> Capture:
        """A CPU or wall-clock profile. Raises ProfilerMissing and ProfilerDenied with engine=py-spy only."""
        return await self._exclusive(holder, request.seconds, self._cpu(request, Span()))

    async def hot(self, seconds: float, frequency: int, holder: str) -> tuple[Capture, Counter[str]]:
        """A short CPU profile from inside by request, and the requests of the running loop at its end."""
        request = CpuRequest(seconds=seconds, frequency=frequency, by="request")
        capture = await self._exclusive(holder, seconds, self._cpu(request, Span()))
        return capture, labels.in_flight()

    async def heap(self, request: HeapRequest, holder: str) -> Capture:
        """A memory profile. Raises ProfilerMissing, ProfilerError, NoSpace; Conflict beside ``memory``."""
        self._require_no_memray()
        return await self._exclusive(holder, request.seconds, self._heap(request, Span()))

    async def trace(self, request: TraceRequest, holder: str) -> Capture:
        """Every call on the thread of the running loop. ProfilerMissing without flameprof; as ``heap``."""
        self._require_no_memray()
        return await self._exclusive(holder, request.seconds, trace(request))

    async def around(
        self,
        request: CpuRequest | HeapRequest,
        holder: str,
        operation: Callable[[], Awaitable[tuple[str, ...]]],
    ) -> Capture:
        """A profile from an operation's start to its end, or of the request's seconds where it takes longer.

        The operation begins once the profiler does; it gives notes, and what it raises is raised. It is
        cancelled with the profile, and when the seconds are up.
        """

        if isinstance(request, HeapRequest):
            self._require_no_memray()

        def profile(span: Span) -> Coroutine[Any, Any, Capture]:
            return self._cpu(request, span) if isinstance(request, CpuRequest) else self._heap(request, span)

        return await self._exclusive(holder, request.seconds, around(profile, operation))

    async def memory(self, mode: str) -> Capture:
        """What is held of all that was allocated since the start. Conflict where that is not followed."""
        if self._life is None:
            raise Conflict(
                "Memory is not followed since the start; set [profiling] memory_from_start = true and start "
                "the node again, or ask /debug/pprof/heap about the seconds to come."
            )
        return await self._life.take(mode)

    def stacks(self) -> StackDump:
        """Every thread, and every task of the running loop, now. Needs no lock; takes milliseconds."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return take_stacks(None)
        return take_stacks(loop)

    async def close(self) -> None:
        """End the running profile, if any, and refuse new ones. Leaves no child, file, timer or hook."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _exclusive(self, holder: str, seconds: float, profile: Coroutine[Any, Any, Capture]) -> Capture:
        caller = asyncio.current_task()

        def is_ending() -> bool:
            return self._closed or (caller is not None and caller.cancelling() > 0)

        try:
            self._require_open()
            with self._lock.hold(holder, seconds + _MARGIN, is_ending):
                async with self._turns.asked_for(holder):
                    self._require_open()
                    return await self._supervise(asyncio.create_task(profile))
        finally:
            profile.close()

    def _require_no_memray(self) -> None:
        if self._life is not None:
            self._life.require_none()

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("The service is stopping and takes no more profiles.")

    async def _supervise(self, task: asyncio.Task[Capture]) -> Capture:
        self._running = task
        caller = asyncio.current_task()
        try:
            return await task
        except asyncio.CancelledError:
            if self._closed and not (caller and caller.cancelling()):
                raise Unavailable("The service is stopping; the profile was ended.") from None
            raise
        finally:
            self._running = None

    async def _heap(self, request: HeapRequest, span: Span) -> Capture:
        require_free_hook()
        return await in_thread("profile-memory", partial(self._memray.record, request, span))

    async def _cpu(self, request: CpuRequest, span: Span) -> Capture:
        """By the engine asked for; else from inside where that sees what is asked, or by py-spy."""
        if request.engine == "inprocess" or (request.engine == "auto" and _from_inside(request)):
            return await Sampler(request, span).run()
        try:
            return await in_thread("profile-cpu", partial(self._py_spy.record, request, span))
        except (ProfilerMissing, ProfilerDenied) as refusal:
            if request.engine == "py-spy":
                raise
            reason = str(refusal)
        capture = await Sampler(request, span).run()
        notes = [f"Sampled from inside the process, not by py-spy: {reason}"]
        if request.native:
            notes.append("Native frames need py-spy and are missing.")
        if request.mode == "gil":
            notes.append("mode=gil needs py-spy; this counts CPU time instead.")
        return replace(capture, notes=(*notes, *capture.notes))


def _from_inside(request: CpuRequest) -> bool:
    """Whether the sampler takes what py-spy cannot, or takes it as truly without stopping the process."""
    if request.native or request.mode == "gil":
        return False
    return request.mode == "wall" or request.by == "request" or obstacle(request.mode) is None
