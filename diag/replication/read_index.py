"""How new the state must be for a read: one question to a majority, shared by the readers that wait."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from diag.errors import MetaError, NotInTime, Unavailable
from diag.replication.sources import Sources

#: Seconds between two sources that do not answer.
_PAUSE = 0.02
_STOPPING = "This node is stopping and answers no reads; ask another."


class _Question(NamedTuple):
    """What some readers wait for, until the loop's time ``by``."""

    answer: "asyncio.Future[int]"
    by: float


class ReadIndex:
    """A reader may only share a question that is not asked yet: the answer to an earlier one is too old.

    ``reach`` waits until the state is as new as an entry's version and gives the applied index.
    ``patience`` is seconds that the first reader of a question waits.
    """

    def __init__(
        self, sources: Sources, reach: Callable[[int], Awaitable[int]], patience: float = 5.0
    ) -> None:
        self._sources = sources
        self._reach = reach
        self._patience = patience
        self._next: _Question | None = None
        self._asking: asyncio.Task[None] | None = None

    async def wait(self) -> int:
        """The applied index, once it is as new as anything acknowledged before the call."""
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = _Question(loop.create_future(), loop.time() + self._patience)
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask_all(), name="read-index")
        return await asyncio.shield(self._next.answer)

    def refuse(self) -> None:
        """Ask nothing more; who waits hears Unavailable."""
        if self._asking is not None:
            self._asking.cancel()
        left, self._next = self._next, None
        if left is not None:  # the task may not have begun yet, and then does not refuse it
            _refuse(left, Unavailable(_STOPPING))

    async def stop(self) -> None:
        """The same, and wait for the end of what was asked."""
        self.refuse()
        if self._asking is not None:
            await asyncio.wait([self._asking])

    async def _ask_all(self) -> None:
        asked: _Question | None = None
        try:
            while self._next is not None:
                asked, self._next = self._next, None
                try:
                    asked.answer.set_result(await self._ask(asked.by))
                except MetaError as failure:
                    _refuse(asked, failure)
        finally:
            self._asking = None
            for left in (asked, self._next):
                if left is not None and not left.answer.done():
                    _refuse(left, Unavailable(_STOPPING))
            self._next = None

    async def _ask(self, by: float) -> int:
        try:
            async with asyncio.timeout_at(by):
                while True:
                    source = self._sources.current
                    try:
                        head = await source.head()
                    except Unavailable:
                        self._sources.leave(source)
                        await asyncio.sleep(_PAUSE)
                        continue
                    return await self._reach(head.version)
        except TimeoutError:
            raise NotInTime(
                f"No majority of the cluster answered within {self._patience:g} s; are its voters up?"
            ) from None


def _refuse(asked: _Question, failure: MetaError) -> None:
    asked.answer.set_exception(failure)
    asked.answer.exception()  # its readers may all be gone
