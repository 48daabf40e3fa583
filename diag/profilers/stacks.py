"""Where every thread and task stands, at once and without a profiler. Never values of variables."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import CodeType, FrameType
from typing import Any

from diag.profilers.frames import FrameNames, RawStack, raw_stack


@dataclass(frozen=True, slots=True)
class Frame:
    """One place in the code, its file as the interpreter knows it."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """One Python thread; frames outermost first. ``native_id`` is the kernel's, where it is known."""

    name: str
    ident: int
    native_id: int | None
    daemon: bool
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class TaskStack:
    """One asyncio task; frames outermost first, through every coroutine it awaits.

    ``state`` is running, ready, or the kind of thing it waits for.
    """

    name: str
    state: str
    coroutine: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class StackDump:
    """All stacks of one moment."""

    pid: int
    threads: tuple[ThreadStack, ...]
    tasks: tuple[TaskStack, ...]

    def text(self) -> str:
        """For people: one block a thread and a task."""
        lines = [f"Process {self.pid}: {len(self.threads)} threads, {len(self.tasks)} tasks"]
        for thread in self.threads:
            kind = " daemon" if thread.daemon else ""
            lines += ["", f'Thread "{thread.name}" (id {thread.native_id or thread.ident}){kind}']
            lines += _frame_lines(thread.frames)
        for task in self.tasks:
            lines += ["", f'Task "{task.name}" {task.coroutine} ({task.state})']
            lines += _frame_lines(task.frames)
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, object]:
        """For programs: only JSON types."""
        return asdict(self)


def take_stacks(loop: asyncio.AbstractEventLoop | None) -> StackDump:
    """Every thread of the process and every task of ``loop``, from any thread."""
    names = FrameNames()
    known = {thread.ident: thread for thread in threading.enumerate()}
    threads = []
    for ident, frame in sys._current_frames().items():
        thread = known.get(ident)
        threads.append(
            ThreadStack(
                name=thread.name if thread else "not started by Python",
                ident=ident,
                native_id=thread.native_id if thread else None,
                daemon=thread.daemon if thread else True,
                frames=_of_frame(frame, names),
            )
        )
    tasks = tuple(_of_task(task, names) for task in asyncio.all_tasks(loop)) if loop else ()
    return StackDump(os.getpid(), tuple(sorted(threads, key=_main_first)), tuple(sorted(tasks, key=_by_name)))


def _main_first(thread: ThreadStack) -> tuple[bool, str]:
    return thread.ident != threading.main_thread().ident, thread.name


def _by_name(task: TaskStack) -> tuple[int, str]:
    return len(task.name), task.name


def _of_frame(frame: FrameType, names: FrameNames) -> tuple[Frame, ...]:
    return tuple(_frame(code, line, names) for code, line in raw_stack(frame))


def _of_task(task: "asyncio.Task[Any]", names: FrameNames) -> TaskStack:
    state, stack = awaited_stack(task)
    return TaskStack(
        name=task.get_name(),
        state=state,
        coroutine=coroutine_name(task),
        frames=tuple(_frame(code, line, names) for code, line in stack),
    )


def coroutine_name(task: "asyncio.Task[Any]") -> str:
    """Of the task's outermost coroutine."""
    coroutine: object = task.get_coro()
    return getattr(coroutine, "__qualname__", type(coroutine).__qualname__)


def awaited_stack(task: "asyncio.Task[Any]") -> tuple[str, RawStack]:
    """The state of a task, and its stack through every coroutine it awaits."""
    coroutine: object = task.get_coro()
    found: list[tuple[CodeType, int]] = []
    waits_for = coroutine
    for step in _awaited(coroutine):
        waits_for = step
        frame = _suspended_frame(step)
        if frame is not None:
            found.append((frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno))
    return _state(coroutine, waits_for), tuple(found)


def _awaited(first: object) -> Iterator[object]:
    """The chain of awaits, from the task's own coroutine to what is waited for in the end.

    ``Task.get_stack`` stops at the first coroutine when the task is suspended.
    """
    awaitable = first
    while awaitable is not None:
        yield awaitable
        for name in ("cr_await", "gi_yieldfrom", "ag_await"):
            if hasattr(awaitable, name):
                awaitable = getattr(awaitable, name)
                break
        else:
            return


def _suspended_frame(awaitable: object) -> FrameType | None:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(awaitable, name, None)
        if isinstance(frame, FrameType):
            return frame
    return None


def _state(coroutine: object, waits_for: object) -> str:
    if getattr(coroutine, "cr_running", False):
        return "running"
    if waits_for is coroutine or _suspended_frame(waits_for) is not None:
        return "ready"
    return f"waits for {type(waits_for).__qualname__}"


def _frame(code: CodeType, line: int, names: FrameNames) -> Frame:
    return Frame(code.co_qualname, names.short(code.co_filename), line)


def _frame_lines(frames: tuple[Frame, ...]) -> list[str]:
    return [f"  {frame.function} ({frame.file}:{frame.line})" for frame in frames] or ["  no Python frame"]
