"""Work of requests on large profiles, beside the event loop: so many at a time, whichever the routes.

Reading, adding up and drawing each take a process, and a process takes a core and memory. Whoever may ask
could else start as many as there are connections.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from diag.errors import NoTurn, ProfilerTooSlow
from diag.profilers.work import in_thread

#: As many processes at a time leave a node's machine room to serve.
_AT_ONCE: Final = 3
_RETRY_SECONDS: Final = 5.0

T = TypeVar("T")


class Apart:
    """``at_once`` works at a time, each within ``seconds``; another waits ``patience`` seconds for its turn.

    Made once a node and handed to all that start processes for requests. Used on one event loop.
    """

    def __init__(self, *, at_once: int = _AT_ONCE, seconds: float = 120.0, patience: float = 30.0) -> None:
        self._at_once = at_once
        self._seconds = seconds
        self._patience = patience
        self._turns = asyncio.Semaphore(at_once)

    async def run(
        self,
        name: str,
        work: Callable[[threading.Event], T],
        *,
        undone: str,
        instead: str,
        patient: bool = False,
    ) -> T:
        """The outcome of ``work``, as ``in_thread`` gives it. NoTurn, and ProfilerTooSlow when time is up.

        ``undone`` is what has not come to pass then (`The profile was not drawn`), ``instead`` what to do.
        ``patient`` work gets its turn however late: nobody could ask for it again.
        """
        async with self._turn(instead, None if patient else self._patience):
            try:
                async with asyncio.timeout(self._seconds):
                    return await in_thread(name, work)
            except TimeoutError:
                raise ProfilerTooSlow(
                    f"{undone} within {self._seconds:g} s and was given up; {instead}."
                ) from None

    @contextlib.asynccontextmanager
    async def _turn(self, instead: str, patience: float | None) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(patience):
                await self._turns.acquire()
        except TimeoutError:
            raise NoTurn(
                f"This node reads and draws {self._at_once} large profiles at a time, and none of them was "
                f"done within {self._patience:g} s; try again, or {instead}.",
                _RETRY_SECONDS,
            ) from None
        try:
            yield
        finally:
            self._turns.release()
