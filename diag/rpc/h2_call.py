"""One call on the nghttp2 transport: from its request's pieces to its status.

To its handler a call is the context that grpc.aio would hand in, as far as our
handlers use one, so that the same handlers serve both transports.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio

from diag.errors import InvalidRequest, MetaError
from diag.rpc.dispatch import Context, Handler
from diag.rpc.h2_output import Output
from diag.rpc.wire import Assembly, Compressed, Message, Metadata, RequestHead, decompressed

_Serve: TypeAlias = Callable[[Any, Context], Coroutine[Any, Any, None]]

#: Whole messages a streaming client may send ahead of its handler; then its window stays as it is.
_AHEAD = 16

_OK = int(grpc.StatusCode.OK.value[0])

_LOGGER = logging.getLogger(__name__)


class Call:
    """A call from its headers on. All methods run on the event loop.

    ``hold`` accounts for bytes of the request: its headers, and what its handler has not taken yet.
    Unavailable, from the constructor too, when they are too many. ``limit`` is the largest message
    taken, in bytes.
    """

    def __init__(
        self,
        stream_id: int,
        head: RequestHead,
        handler: Handler,
        *,
        output: Output,
        hold: Callable[[int], None],
        peer: str,
        limit: int,
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        self._output = output
        self._hold = hold
        self._stream_id = stream_id
        self._head = head
        self._handler = handler
        self._peer = peer
        self._assembly = Assembly(limit, head.encoding)
        self._limit = limit
        self._messages: deque[Message] = deque()
        self._ready = 0  # bytes of these messages
        self._arrived = asyncio.Event() if handler.kind == "exchange" else None
        self._held = 0
        self._unacknowledged = 0
        self._request_ended = False
        self._ended = False
        self._deadline: asyncio.TimerHandle | None = None
        self._status: tuple[grpc.StatusCode, str, Metadata] = (grpc.StatusCode.CANCELLED, "cancelled", ())
        self._account()
        if self._arrived is not None:
            self._limit_time()

    # From the connection.

    def receive(self, data: bytes, end: bool) -> None:
        """A piece of the request; ``end`` with the last one."""
        if self._ended:
            self._output.acknowledge(self._stream_id, len(data))
            return
        try:
            self._take(data, end)
        except MetaError as error:
            self._output.acknowledge(self._stream_id, len(data))
            self._fail(grpc.StatusCode[error.grpc_status], str(error))
            return
        if self._arrived is not None:
            self._arrived.set()
            if self.task is None:
                # Not before: a status ahead of its first message is a fault to grpc.aio's client.
                self._start(self._handler.serve, self._requests())
            if len(self._messages) > _AHEAD:
                self._unacknowledged += len(data)
                return
        self._output.acknowledge(self._stream_id, len(data))
        if end and self._arrived is None:
            self._answer()

    def close(self) -> None:
        """The stream is gone, by the client's doing or because the call ended."""
        self._ended = True
        self._release()
        self._hold(-self._held)
        self._held = 0
        if self.task is not None:
            self.task.cancel()

    def stop(self, details: str) -> None:
        """End the call from this side with UNAVAILABLE."""
        self._fail(grpc.StatusCode.UNAVAILABLE, details)

    # What a handler sees.

    def invocation_metadata(self) -> Metadata:
        """The client's metadata; values of ``-bin`` keys are bytes."""
        return self._head.metadata

    def peer(self) -> str:
        """The client's address as gRPC writes it."""
        return self._peer

    async def send_initial_metadata(self, metadata: Metadata, /) -> None:
        """Send the response's headers now."""
        self._refuse_ended()
        self._output.headers(self._stream_id, metadata)

    async def room(self) -> None:
        """Wait while the client's connection has too much waiting."""
        if self._output.full:
            await self._output.drained(self._stream_id)

    async def write(self, message: bytes, /) -> None:
        """Send one message; waits while the client is behind."""
        self._refuse_ended()
        if not self._output.message(self._stream_id, message):
            await self._output.drained(self._stream_id)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = (), /
    ) -> NoReturn:
        """End the call with a status."""
        self._status = (code, details, trailing_metadata)
        raise grpc.aio.AbortError("the handler ended its call")

    # Serving.

    def _take(self, data: bytes, end: bool) -> None:
        messages = self._assembly.feed(data)
        self._messages += messages
        self._ready += sum(map(_size, messages))
        self._request_ended = end
        if self._arrived is None and (len(self._messages) > 1 or (end and not self._messages)):
            raise InvalidRequest(
                f"the request has {len(self._messages)} messages; this method takes exactly one"
            )
        if end and self._assembly.waiting:
            raise InvalidRequest("the request ends in the middle of a message")
        if self._arrived is not None or not end:
            self._account()

    def _answer(self) -> None:
        """A request of one message is whole."""
        payload = self._messages.popleft()
        self._ready = 0
        self._account()
        self._limit_time()
        serve = self._handler.serve if self._handler.kind == "stream" else self._unary
        if isinstance(payload, Compressed):
            self._start(partial(self._decompressing, serve), payload)
        else:
            self._start(serve, payload)

    async def _decompressing(self, serve: _Serve, message: Compressed, context: Context) -> None:
        await serve(await self._plain(message), context)

    async def _plain(self, message: Message) -> bytes:
        if isinstance(message, Compressed):
            return await asyncio.to_thread(decompressed, message, self._limit)
        return message

    async def _unary(self, payload: bytes, context: Context) -> None:
        await self.room()
        reply = await self._handler.serve(payload, context)
        self._refuse_ended()
        self._output.message(self._stream_id, reply)

    async def _requests(self) -> AsyncIterator[bytes]:
        assert self._arrived is not None
        while True:
            while self._messages:
                message = self._messages.popleft()
                self._ready -= _size(message)
                self._account()
                yield await self._plain(message)
            self._release()
            if self._request_ended:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _limit_time(self) -> None:
        if self._head.timeout is not None:
            self._deadline = asyncio.get_running_loop().call_later(
                self._head.timeout, self._fail, grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"
            )

    def _start(self, serve: _Serve, request: Any) -> None:
        # A profile tells by a task's name which request is served.
        self.task = asyncio.get_running_loop().create_task(self._serve(serve, request), name=self._head.path)

    async def _serve(self, serve: _Serve, request: Any) -> None:
        try:
            await serve(request, self)
        except grpc.aio.AbortError:
            code, details, metadata = self._status
            self._end(code.value[0], details, metadata)
        except MetaError as error:
            self._end(grpc.StatusCode[error.grpc_status].value[0], str(error), ())
        except asyncio.CancelledError:
            if not self._ended:  # not by this module's doing: tell the client all the same
                self._end(grpc.StatusCode.CANCELLED.value[0], "the call was cancelled by the service", ())
            raise
        except Exception as error:
            _LOGGER.exception("a handler let an error through")
            self._end(grpc.StatusCode.INTERNAL.value[0], f"the service failed: {type(error).__name__}", ())
        else:
            self._end(_OK, "", ())

    def _fail(self, code: grpc.StatusCode, details: str) -> None:
        """End the call with a status while its handler may be at work."""
        self._end(code.value[0], details, ())
        if self.task is not None:
            self.task.cancel()

    def _end(self, status: int, details: str, metadata: Metadata) -> None:
        if not self._ended:
            self._ended = True
            self._output.status(self._stream_id, status, details, metadata)
            self._release()

    def _refuse_ended(self) -> None:
        if self._ended:
            raise asyncio.CancelledError

    def _account(self) -> None:
        size = self._head.size + self._assembly.waiting + self._ready
        if size != self._held:
            self._hold(size - self._held)
            self._held = size

    def _release(self) -> None:
        """Give back what the request holds of the client's window and, once ended, all else it holds."""
        if self._unacknowledged:
            size, self._unacknowledged = self._unacknowledged, 0
            self._output.acknowledge(self._stream_id, size)
        if self._ended:
            # The client may keep its half of the stream open for long.
            self._messages.clear()
            self._assembly.clear()
            self._ready = 0
            self._account()
            if self._deadline is not None:
                self._deadline.cancel()


def _size(message: Message) -> int:
    return len(message.data if isinstance(message, Compressed) else message)
