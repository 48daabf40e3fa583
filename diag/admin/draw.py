"""Drawing beside the event loop: a small profile in a thread, a large one in a process of its own.

A large one takes the interpreter for seconds. Handing it over must not either: it goes through a file, as a
pipe would be fed in thousands of small pieces under the interpreter lock.
"""

import asyncio
import json
import threading
from dataclasses import asdict
from functools import partial

from diag.admin.drawing import Caption, made
from diag.profilers.child import run_module
from diag.profilers.scratch import open_scratch
from diag.profilers.work import in_thread

#: Up to this many bytes a worker thread draws in less time than a child takes to start.
IN_PROCESS_BYTES = 200_000


async def draw(folded: bytes, caption: Caption, form: str = "svg", base: bytes | None = None) -> bytes:
    """The picture, or another form of ``made``; with ``base``, compared to those stacks.

    Cancelling ends a child that draws it; ProfilerError when it cannot be drawn.
    """
    if len(folded) + len(base or b"") <= IN_PROCESS_BYTES:
        return await asyncio.to_thread(made, folded, caption, form, base)
    return await in_thread("profile-draw", partial(_elsewhere, folded, caption, form, base))


def _elsewhere(
    folded: bytes, caption: Caption, form: str, base: bytes | None, stop: threading.Event
) -> bytes:
    job = {"form": form, "base": None if base is None else len(base), "caption": asdict(caption)}
    with open_scratch(None) as source:
        for part in (json.dumps(job).encode() + b"\n", base or b"", folded):
            source.write(part)
        source.seek(0)
        return run_module("diag.admin.drawing", [], stop, source=source, work="drawn")
