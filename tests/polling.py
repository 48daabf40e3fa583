"""Waiting for a condition, for tests that must never sleep and hope."""

import asyncio
import time
from collections.abc import Callable


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
