"""How late the event loop runs what is due: the first thing to look at when every call is slow."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import takewhile


class LoopLag:
    """Wakes every ``interval`` seconds, and keeps for ``window`` seconds by how much it woke too late."""

    def __init__(
        self, interval: float = 0.25, window: float = 300.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._lags: deque[tuple[float, float]] = deque(maxlen=max(1, round(window / interval)))
        self._listeners: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._due = float("inf")

    def also(self, work: Callable[[], None]) -> None:
        """Have something short done at every waking, which needs no timer of its own then."""
        self._listeners.append(work)

    def start(self) -> None:
        """Begin on the running loop."""
        self._due = self._clock() + self._interval
        self._task = asyncio.create_task(self._watch(), name="loop lag")

    async def stop(self) -> None:
        """End; may be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self._due = float("inf")

    def worst(self, within: float = 10.0) -> float:
        """The longest lag of the last ``within`` seconds, counting one that has not ended yet."""
        now = self._clock()
        recent = takewhile(lambda one: one[0] >= now - within, reversed(self._lags))
        return max(0.0, now - self._due, *(lag for _, lag in recent))

    def late_now(self) -> float:
        """Seconds that it is late by now, 0 while it is on time. May be asked from another thread."""
        return max(0.0, self._clock() - self._due)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            now = self._clock()
            self._lags.append((now, max(0.0, now - self._due)))
            for work in self._listeners:
                work()
            self._due = self._clock() + self._interval
