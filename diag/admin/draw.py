"""Drawing beside the event loop: a small profile in a thread, a large one in a process of its own.

A large one takes the interpreter for seconds. Handing it over must not either: it goes through a file, as a
pipe would be fed in thousands of small pieces under the interpreter lock.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from typing import Final

from diag.admin.drawing import Caption, made
from diag.errors import ProfilerTooSlow, Unavailable
from diag.profilers.child import run_module
from diag.profilers.scratch import filled_scratch
from diag.profilers.work import in_thread

#: Up to this many bytes a worker thread draws in less time than a child takes to start.
IN_PROCESS_BYTES = 200_000
#: As many processes at a time leave a node's machine room to serve.
_AT_ONCE: Final = 3
_INSTEAD: Final = (
    "ask for format=folded, which needs no drawing, or for less: fewer seconds, a lower frequency, a shorter "
    "interval"
)
_INSTEAD_COMPARED: Final = (
    "fetch each of the two with format=folded, which needs no drawing, and compare them with `flamegraph "
    "diff`, or compare less: shorter profiles or intervals"
)


class Renderer:
    """Draws for all requests: ``at_once`` large profiles at a time, each within ``seconds``.

    Another one waits ``patience`` seconds for its turn.
    """

    def __init__(self, *, at_once: int = _AT_ONCE, seconds: float = 120.0, patience: float = 30.0) -> None:
        self._at_once = at_once
        self._seconds = seconds
        self._patience = patience
        self._turns = asyncio.Semaphore(at_once)

    async def draw(
        self, folded: bytes, caption: Caption, form: str = "svg", base: bytes | None = None
    ) -> bytes:
        """The picture, or another form of ``made``; with ``base``, compared to those stacks.

        Cancelling ends a child that draws it. Unavailable when no turn came, NoSpace without room for the
        stacks, ProfilerError when it cannot be drawn, ProfilerTooSlow when that takes too long.
        """
        size = len(folded) + len(base or b"")
        if size <= IN_PROCESS_BYTES:
            return await asyncio.to_thread(made, folded, caption, form, base)
        async with self._turn():
            try:
                async with asyncio.timeout(self._seconds):
                    return await in_thread("profile-draw", partial(_elsewhere, folded, caption, form, base))
            except TimeoutError:
                raise ProfilerTooSlow(
                    f"The profile, {size:,} bytes of stacks, was not drawn within {self._seconds:g} s and was "
                    f"given up; {_INSTEAD if base is None else _INSTEAD_COMPARED}."
                ) from None

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(
                f"This node draws {self._at_once} large profiles at a time, and none of them was done within "
                f"{self._patience:g} s; try again, or ask for format=folded."
            ) from None
        try:
            yield
        finally:
            self._turns.release()


def _elsewhere(
    folded: bytes, caption: Caption, form: str, base: bytes | None, stop: threading.Event
) -> bytes:
    job = {"form": form, "base": None if base is None else len(base), "caption": asdict(caption)}
    with filled_scratch(json.dumps(job).encode() + b"\n", base or b"", folded) as source:
        return run_module("diag.admin.drawing", [], stop, source=source, work="drawn")
