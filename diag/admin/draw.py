"""Drawing beside the event loop: a small profile in a thread, a large one in a process of its own.

A large one takes the interpreter for seconds. Handing it over must not either: it goes through a file, as a
pipe would be fed in thousands of small pieces under the interpreter lock.
"""

import asyncio
import json
import threading
from dataclasses import asdict
from functools import partial
from typing import Final

from diag.admin.drawing import Caption, made
from diag.profilers.apart import Apart
from diag.profilers.child import run_module
from diag.profilers.scratch import filled_scratch

#: Up to this many bytes a worker thread draws in less time than a child takes to start.
IN_PROCESS_BYTES = 200_000
_INSTEAD: Final = (
    "ask for format=folded, which needs no drawing, or for less: fewer seconds, a lower frequency, a shorter "
    "interval"
)
_INSTEAD_COMPARED: Final = (
    "fetch each of the two with format=folded, which needs no drawing, and compare them with `flamegraph "
    "diff`, or compare less: shorter profiles or intervals"
)


class Renderer:
    """Draws for all requests, large profiles ``apart``: as many at a time, and as long, as that allows."""

    def __init__(self, apart: Apart | None = None) -> None:
        self._apart = apart or Apart()

    async def draw(
        self, folded: bytes, caption: Caption, form: str = "svg", base: bytes | None = None
    ) -> bytes:
        """The picture, or another form of ``made``; with ``base``, compared to those stacks.

        Cancelling ends a child that draws it. NoTurn and ProfilerTooSlow as of ``Apart``, NoSpace without
        room for the stacks, ProfilerError when it cannot be drawn.
        """
        size = len(folded) + len(base or b"")
        if size <= IN_PROCESS_BYTES:
            return await asyncio.to_thread(made, folded, caption, form, base)
        return await self._apart.run(
            "profile-draw",
            partial(_elsewhere, folded, caption, form, base),
            undone=f"The profile, {size:,} bytes of stacks, was not drawn",
            instead=_INSTEAD if base is None else _INSTEAD_COMPARED,
        )


def _elsewhere(
    folded: bytes, caption: Caption, form: str, base: bytes | None, stop: threading.Event
) -> bytes:
    job = {"form": form, "base": None if base is None else len(base), "caption": asdict(caption)}
    with filled_scratch(json.dumps(job).encode() + b"\n", base or b"", folded) as source:
        return run_module("diag.admin.drawing", [], stop, source=source, work="drawn")
