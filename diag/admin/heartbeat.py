"""A node at long work is asked meanwhile whether it is alive: one that is stopped holds nobody."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

#: Seconds within which a node must say that it is alive before it is waited for.
AWAKE_SECONDS: Final = 2.0

#: The same while it works: its profile, and the load it is a profile of, may make it slow.
ALIVE_SECONDS: Final = 5.0

#: Seconds between an answer and the next question: seldom enough to be no load of a profile.
PAUSE: Final = 2.0

T = TypeVar("T")


async def while_alive(
    work: Coroutine[Any, Any, T], ask: Callable[[float], Awaitable[None]], pause: float = PAUSE
) -> T:
    """The outcome of ``work``, unless ``ask``, given the seconds it may take, raises before that.

    Both begin at the same time, so that profiles of several nodes do. What is not waited for any more is
    cancelled.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_again_and_again(ask, pause))
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await watching
        return await working
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _again_and_again(ask: Callable[[float], Awaitable[None]], pause: float) -> None:
    """Ends only by what ``ask`` raises."""
    within = AWAKE_SECONDS
    while True:
        await ask(within)
        within = ALIVE_SECONDS
        await asyncio.sleep(pause)
