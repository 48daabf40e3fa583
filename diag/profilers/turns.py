"""Who samples now: the windows of always-on profiling, or the profile that somebody asked for.

Both may use the same timer and signal, and what somebody asked for is not to show the other's work. So a
window ends early where one is asked for, is kept as far as it got, and the next begins after it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from diag.profilers.span import Span


class Turn(Span):
    """A window that can be ended early, for a reason. Thread-safe."""

    def __init__(self) -> None:
        self.ended_for: str | None = None

    def end(self, reason: str) -> None:
        """The first reason stands."""
        if self.ended_for is None:
            self.ended_for = reason

    def over(self) -> bool:
        return self.ended_for is not None


class Turns:
    """Made once a process and handed to both. Used on one event loop."""

    def __init__(self) -> None:
        self._holder: str | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._turn: Turn | None = None  # the last one's, until the next begins
        self._aside = asyncio.Event()
        self._aside.set()

    @property
    def holder(self) -> str | None:
        """Which profile is asked for and running."""
        return self._holder

    @asynccontextmanager
    async def asked_for(self, holder: str) -> AsyncIterator[None]:
        """The profile of ``holder``, one at a time: the window has ended, and none begins meanwhile."""
        self._holder = holder
        self._free.clear()
        try:
            if self._turn is not None:
                self._turn.end(f"a {holder} began")
                await self._aside.wait()
            yield
        finally:
            self._holder = None
            self._free.set()

    @asynccontextmanager
    async def window(self, turn: Turn) -> AsyncIterator[None]:
        """One window, once no profile that was asked for runs."""
        while self._holder is not None:
            await self._free.wait()
        self._turn = turn
        self._aside.clear()
        try:
            yield
        finally:
            self._aside.set()
