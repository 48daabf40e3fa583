"""Which request the event loop is serving: told by the name of its task, which costs a call nothing.

Whatever serves requests names its tasks by them: ``/meta.MetaService/KvApi`` an RPC by its path,
``GET /v1/metrics`` a question by method and path. A short read is answered where its bytes arrive, in no
task; the function that does so stands for it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import Final

#: The label on samples, and how a frame that stands for it begins.
LABEL: Final = "request"
FRAME: Final = f"{LABEL}: "

#: The same of the id that the request has in answers and logs; beside the other, where it is known.
ID_LABEL: Final = "request_id"
ID_FRAME: Final = f"{ID_LABEL}: "

#: Those that samples may carry, outermost first.
LABELS: Final = (LABEL, ID_LABEL)

#: The root of what served no request, where stacks stand by request.
NONE: Final = "[no request]"

_METHODS = ("GET ", "HEAD ", "POST ", "DELETE ")
_INLINE = {"ShortReads.answer": "/meta.MetaService/KvReadV1"}
_LONGEST = 120


def name_task(request: str) -> None:
    """Say what the running task serves."""
    task = asyncio.current_task()
    if task is not None:
        task.set_name(request[:_LONGEST])


def request_now(loop: asyncio.AbstractEventLoop, stack: Iterable[CodeType]) -> str | None:
    """What ``loop``, which runs these functions, serves. From any thread, and from a signal handler."""
    task = asyncio.current_task(loop)
    return _inline(stack) if task is None else _request(task)


def in_flight() -> Counter[str]:
    """The requests that the running loop has not answered yet, by name."""
    names = map(_request, asyncio.all_tasks())
    return Counter(name for name in names if name is not None)


def without_ids(labelled: Mapping[str, int]) -> Counter[str]:
    """The stacks under the requests alone."""
    found: Counter[str] = Counter()
    for stack, count in labelled.items():
        request, _, rest = stack.partition(f";{ID_FRAME}")
        # A frame of code that reads so stands deeper than the second.
        found[f"{request};{rest.partition(';')[2]}" if rest and ";" not in request else stack] += count
    return found


def without_labels(labelled: Mapping[str, int]) -> Counter[str]:
    """The stacks alone."""
    found: Counter[str] = Counter()
    for stack, count in without_ids(labelled).items():
        found[stack.partition(";")[2] if stack.startswith(FRAME) else stack] += count
    return found


def rooted(labelled: Mapping[str, int]) -> dict[str, int]:
    """Every stack under a root: its request, or that it served none."""
    return {
        stack if stack.startswith(FRAME) else f"{NONE};{stack}": count for stack, count in labelled.items()
    }


def _request(task: "asyncio.Task[object]") -> str | None:
    name = task.get_name()
    return name if name.startswith(("/", *_METHODS)) else None


def _inline(stack: Iterable[CodeType]) -> str | None:
    for code in stack:
        known = _INLINE.get(code.co_qualname)
        if known is not None:
            return known
    return None
