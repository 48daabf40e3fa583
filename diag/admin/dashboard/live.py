"""The events of pages that are live: all share two looks at the nodes a second, and none is taken without.

A change waits for the next look, and for its way to the screen: together less than a second on a busy node.

Each node is asked for what it has at hand. A page that is hidden closes its stream; a stream that is not
read misses events and gets the newest.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from diag.admin.dashboard.cluster import Overview
from diag.errors import Unavailable

#: Seconds between two looks at the nodes.
PERIOD: Final = 0.5
#: Streams that are open at the same time.
MOST: Final = 64
#: Seconds after which a stream ends: its page opens the next, and who may not look any more gets none.
LIFE: Final = 300.0

_log = logging.getLogger(__name__)

_SAME: Final = b"event: same\ndata:\n\n"


class Live:
    """``close`` it before the server stops, which would wait for its streams."""

    def __init__(self, period: float = PERIOD, most: int = MOST, life: float = LIFE) -> None:
        self._period = period
        self._most = most
        self._life = life
        self._streams: set[asyncio.Queue[bytes | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    def stream(self, look: Callable[[], Awaitable[Overview]]) -> AsyncIterator[bytes]:
        """Server-sent events, ``cluster`` with an overview as JSON, ``same`` when nothing has changed.

        Unavailable when too many are open, or once closed.
        """
        if self._closed or len(self._streams) >= self._most:
            full = f"{self._most} pages are open; close one of them."
            raise Unavailable("The node is stopping." if self._closed else full)
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        return self._events(waiting, look)

    async def close(self) -> None:
        """End all streams, and refuse new ones."""
        self._closed = True
        for waiting in self._streams:
            _put(waiting, None)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _events(
        self, waiting: "asyncio.Queue[bytes | None]", look: Callable[[], Awaitable[Overview]]
    ) -> AsyncIterator[bytes]:
        self._streams.add(waiting)
        loop = asyncio.get_running_loop()
        seen, until = b"", loop.time() + self._life
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look(look), name="dashboard")
            while loop.time() < until and (event := await waiting.get()) is not None:
                yield _SAME if event == seen else event
                seen = event
        finally:
            self._streams.discard(waiting)

    async def _look(self, look: Callable[[], Awaitable[Overview]]) -> None:
        loop = asyncio.get_running_loop()
        while self._streams:
            due = loop.time() + self._period
            try:
                overview = await look()
            except Exception:  # noqa: BLE001 - pages ask again, and the next look may succeed
                _log.exception("the dashboard's look at the nodes failed")
                break
            event = b"event: cluster\ndata: " + json.dumps(overview.as_dict()).encode() + b"\n\n"
            for waiting in self._streams:
                _put(waiting, event)
            await asyncio.sleep(max(0.0, due - loop.time()))
        for waiting in self._streams:
            _put(waiting, None)


def _put(waiting: "asyncio.Queue[bytes | None]", event: bytes | None) -> None:
    if waiting.full():
        waiting.get_nowait()
    waiting.put_nowait(event)
