"""Looks at something every so many seconds, on the loop, of which the newest are kept."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Look = TypeVar("Look")


class Looks(Generic[Look]):
    """What ``take`` gives ``every`` so many seconds, the newest ``most`` of it. ``name`` is its task's."""

    def __init__(self, take: Callable[[], Look], every: float, most: int, name: str) -> None:
        self._take = take
        self._every = every
        self._kept: deque[Look] = deque(maxlen=most)
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def kept(self) -> tuple[Look, ...]:
        """The oldest first."""
        return tuple(self._kept)

    def last(self) -> Look | None:
        """The newest; None before the first."""
        return self._kept[-1] if self._kept else None

    def look(self) -> None:
        """Look now."""
        self._kept.append(self._take())

    def start(self) -> None:
        """Begin on the running loop; the first look comes after ``every`` seconds."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End; harmless when it did not start, and may be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self.look()
