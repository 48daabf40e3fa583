"""What the tasks of an event loop wait for, sampled: of threads alone, the loop's would be one."""

import asyncio
import re
import time
from collections import Counter
from contextlib import suppress
from typing import Any, Final

from diag.profilers.frames import FrameNames, RawStack, safe
from diag.profilers.stacks import awaited_stack, coroutine_name

#: The share of the time that looking at tasks may take; with many of them, fewer ticks look.
_SHARE: Final = 0.01
_UNNAMED: Final = re.compile(r"Task-\d+", re.ASCII)


class WaitingTasks:
    """Counts where the suspended tasks of a loop stand. ``tick`` is called at ``rate`` Hz, by one thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rate: float) -> None:
        self._loop = loop
        self._rate = rate
        self._counts: Counter[tuple[str, str, RawStack]] = Counter()
        self._ticks = 0
        self._looks = 0
        self._next = 1

    def tick(self) -> None:
        """Look, or leave it to a later tick. Never raises."""
        self._ticks += 1
        if self._ticks < self._next:
            return
        started = time.perf_counter()
        with suppress(Exception):  # from a signal handler it would go to whoever was interrupted
            for task in asyncio.all_tasks(self._loop):
                state, stack = awaited_stack(task)
                if state != "running":
                    self._counts[_name(task), _waiter(task) or state, stack] += 1
        self._looks += 1
        self._next = self._ticks + 1 + int((time.perf_counter() - started) * self._rate / _SHARE)

    def weights(self, names: FrameNames, whole: float) -> Counter[str]:
        """Samples by stack: ``task NAME``, the coroutines it awaits, ``[waits for KIND]`` or ``[ready]``.

        ``whole`` is how many a task has that was there all the time.
        """
        found: Counter[str] = Counter()
        for (name, state, raw), count in self._counts.items():
            stack = ";".join(filter(None, (f"task {safe(name)}", names.stack(raw), f"[{safe(state)}]")))
            found[stack] += round(count * whole / self._looks)
        return found


def _waiter(task: "asyncio.Task[Any]") -> str | None:
    """The other task that this one waits for, if it does."""
    future = getattr(task, "_fut_waiter", None)
    return f"waits for task {_name(future)}" if isinstance(future, asyncio.Task) else None


def _name(task: "asyncio.Task[Any]") -> str:
    """Its name, or its coroutine's where nobody named it: numbers would keep equal tasks apart."""
    name = task.get_name()
    return coroutine_name(task) if _UNNAMED.fullmatch(name) else name
