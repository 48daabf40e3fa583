"""Work that ends when its client goes: a profile nobody waits for must not hold the profiler."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

#: What servers say to themselves about a client that went away; nobody receives it.
CLIENT_GONE = 499

T = TypeVar("T")


async def while_present(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The outcome of ``work``, or None when the client went first: ``work`` was cancelled and has ended."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
