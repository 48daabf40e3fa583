"""Waiting for a condition, for tests that must never sleep and hope."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Poll until ``condition()`` is true; fail when it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        time.sleep(0.01)


async def until_async(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """The same for a test on an event loop, which goes on meanwhile."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        await asyncio.sleep(0.005)


async def until_answered(
    ask: Callable[[], Awaitable[T]], wanted: Callable[[T], object], seconds: float = 30.0
) -> T:
    """Ask until an answer is ``wanted``, and return it; fail when there is none within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not wanted(answer := await ask()):
        assert time.monotonic() < deadline, f"not so within {seconds} s; the last answer: {answer!r}"
        await asyncio.sleep(0.01)
    return answer
