"""Blocking work beside the event loop that ends, and has cleaned up, when its awaiter is cancelled."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Abandoned(Exception):
    """Raised by work that found its stop event set; only ever seen by an awaiter that is being cancelled."""


async def in_thread(name: str, work: Callable[[threading.Event], T]) -> T:
    """Run ``work(stop)`` in a thread of its own and await it.

    On cancellation ``stop`` is set and the cancellation goes on only when the work has cleaned up after
    itself.
    """
    stop = threading.Event()
    promise: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            promise.set_result(work(stop))
        except BaseException as error:  # noqa: BLE001 - carried to the awaiter, which raises it
            promise.set_exception(error)

    done = asyncio.wrap_future(promise)
    threading.Thread(target=run, name=name).start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stop.set()
        await _over(done)
        raise


async def _over(done: "asyncio.Future[T]") -> None:
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError:  # a second cancellation must not leave the work running either
            continue
    if not done.cancelled():
        done.exception()
