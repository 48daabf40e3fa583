"""A profile around one operation: the profiler first, then the operation, then the end of both."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from diag.profilers.capture import Capture
from diag.profilers.span import OperationSpan


async def around(
    profile: Callable[[OperationSpan], Coroutine[Any, Any, Capture]],
    operation: Callable[[], Awaitable[tuple[str, ...]]],
) -> Capture:
    """The capture, with the notes that the operation gives. Both have ended when this returns or raises."""
    span = OperationSpan()
    profiling = asyncio.create_task(profile(span))
    tasks: list[asyncio.Task[Any]] = [profiling]
    try:
        beginning = asyncio.create_task(span.begun.wait())
        tasks.append(beginning)
        await asyncio.wait([profiling, beginning], return_when=asyncio.FIRST_COMPLETED)
        if not beginning.done():
            return await profiling
        working = asyncio.create_task(_timed(operation))
        tasks.append(working)
        await asyncio.wait([profiling, working], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            capture = await profiling
            note = f"The operation was not done after {capture.seconds:.1f} s, and was ended."
            return replace(capture, notes=(*capture.notes, note))
        span.finish()
        notes = working.result()
        capture = await profiling
        return replace(capture, notes=(*capture.notes, *notes))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _timed(operation: Callable[[], Awaitable[tuple[str, ...]]]) -> tuple[str, ...]:
    started = time.monotonic()
    notes = await operation()
    return (f"The operation took {time.monotonic() - started:.3f} s.", *notes)
