"""grpc.aio's interface on a server whose HTTP/2 runs in Rust, outside the interpreter lock.

Imported only where that server is used: its package does not exist on every platform.
Two of its ways are replaced. There, a stream whose client has no room waits in a
thread of the loop's small default pool, where no cancellation reaches it: a few
clients that stopped reading would stop every such stream. Here the stream tries
again from the loop, later and later. And a call that a shortcut answers is done on
the thread it arrived on.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping
from typing import Any

from pygrpc_native import EVENT_CALL, STREAM_CLOSED, STREAM_FULL
from pygrpc_native.aio import Server

from diag.rpc.shortcut import Shortcut

#: How long a stream waits before it tries a client that had no room; doubled up to the second figure.
_FIRST_WAIT = 0.001
_LAST_WAIT = 0.05

_BATCH = 64

#: One is enough for what Python can answer; a second costs wake-ups: 13 % of the CPU of calls in sequence.
_IO_THREADS = 1

_LOGGER = logging.getLogger(__name__)


class NativeServer(Server):  # type: ignore[misc]  # its types are not checked
    """Takes the options of ``grpc.aio.server``, and ``shortcuts`` by method path."""

    def __init__(self, options: list[tuple[str, Any]], shortcuts: Mapping[str, Shortcut]) -> None:
        super().__init__(options=options, io_threads=_IO_THREADS)
        self._shortcuts = shortcuts
        self._late: set[asyncio.Task[None]] = set()
        self._ended = threading.Event()

    async def stop(self, grace: float | None) -> None:
        """End; when this returns no shortcut runs any more, so that what they read may be closed."""
        await super().stop(grace)
        if self._started:
            await asyncio.to_thread(self._ended.wait)

    def _dispatch(self) -> None:
        try:
            while (events := self._front.recv_batch_details(_BATCH)) is not None:
                left = [event for event in events if not self._answered(event)]
                if left:
                    self._loop.call_soon_threadsafe(self._on_events, left)
        except RuntimeError:  # the loop was closed without stop()
            self._front.close()
        finally:
            self._ended.set()

    def _answered(self, event: tuple[Any, ...]) -> bool:
        kind, call_id, method_id, payload, _, details = event
        if kind != EVENT_CALL or self._stopping:
            return False
        shortcut = self._shortcuts.get(self._table[method_id][0])
        if shortcut is None:
            return False
        try:
            messages = shortcut(payload, details[0])
        except Exception:
            # This thread serves every call and must go on; the loop's way tells the caller the error.
            _LOGGER.exception("a shortcut failed in a way nobody foresaw")
            return False
        if messages is None:
            return False
        self._send_all(call_id, messages)
        return True

    def _send_all(self, call_id: int, messages: list[bytes]) -> None:
        for place, message in enumerate(messages):
            sent = self._front.stream_try_send(call_id, message)
            if sent == STREAM_CLOSED:
                return
            if sent == STREAM_FULL:
                self._loop.call_soon_threadsafe(self._send_later, call_id, messages[place:])
                return
        self._front.stream_end(call_id)

    def _send_later(self, call_id: int, messages: list[bytes]) -> None:
        task = self._loop.create_task(self._send_rest(call_id, messages))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _send_rest(self, call_id: int, messages: list[bytes]) -> None:
        for message in messages:
            if not await self._sent(call_id, message):
                return
        self._front.stream_end(call_id)

    async def _sent(self, call_id: int, data: bytes) -> bool:
        """Whether the message went out; False when the client is gone."""
        sent = self._front.stream_try_send(call_id, data)
        wait = _FIRST_WAIT
        while sent == STREAM_FULL:
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LAST_WAIT)
            sent = self._front.stream_try_send(call_id, data)
        return bool(sent != STREAM_CLOSED)

    async def _send(self, call: Any, context: Any, response: Any) -> bool:
        data = self._encode(call, context, response)
        if data is None:
            return False
        context._initial_sent = True
        if not await self._sent(call.call_id, data):
            raise asyncio.CancelledError  # what grpcio's write does once the client is gone
        return True
