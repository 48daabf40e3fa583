"""What goes out on one connection: responses queued by stream, and written together.

A client takes what its HTTP/2 windows and its socket let through. What it does not
take waits in libnghttp2's queues, so a call with much of it waiting is asked to wait.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

import ngh2

from diag.errors import Unavailable
from diag.rpc.wire import ENCODINGS, Metadata, framed, metadata_headers, status_headers

#: A call whose client has this much of it waiting is asked to wait.
_STREAM_WAITING = 64 << 10

#: All calls of a client with this much waiting are asked to wait, and it gets no new ones.
_CONNECTION_WAITING = 256 << 20

_CHUNK = 256 << 10
_RESPONSE = [
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", ENCODINGS),
]
_OK = [(b"grpc-status", b"0")]


class Output:
    """The sending half of a connection. A stream is named by its id; its call hears of its end elsewhere."""

    def __init__(
        self, http2: ngh2.Connection, transport: asyncio.Transport, written: Callable[[], None]
    ) -> None:
        """``written`` is called after each write: HTTP/2 may have events of it."""
        self._http2 = http2
        self._transport = transport
        self._written = written
        self._socket = _plain_socket(transport)
        self._loop = asyncio.get_running_loop()
        self._headers_sent: set[int] = set()
        self._waiting: dict[int, asyncio.Event] = {}
        self._granted = False
        self._writable = True
        self._due = False

    @property
    def full(self) -> bool:
        """Whether the client has taken so little that nothing is to be added."""
        return self._http2.queued_body_size() > _CONNECTION_WAITING

    def refuse_when_full(self) -> None:
        """Raise Unavailable for a new call of a client that does not read."""
        if self.full:
            raise Unavailable(
                f"{_CONNECTION_WAITING >> 20} MiB of replies wait for this client; read them first"
            )

    def refuse(self, stream_id: int, http_status: bytes) -> None:
        """Answer a request that is no gRPC call."""
        self._http2.send_response(stream_id, [(b":status", http_status)], end_stream=True)
        self.write_soon()

    def answer(self, stream_id: int, messages: Sequence[bytes]) -> None:
        """A whole response at once."""
        http2 = self._http2
        http2.send_response(stream_id, _RESPONSE)
        for message in messages:
            http2.send_data(stream_id, framed(message))
        http2.send_trailers(stream_id, _OK)
        self.write_soon()

    def headers(self, stream_id: int, metadata: Metadata) -> None:
        """The response's headers, once."""
        if stream_id not in self._headers_sent and not self._transport.is_closing():
            self._headers_sent.add(stream_id)
            headers = [*_RESPONSE, *metadata_headers(metadata)] if metadata else _RESPONSE
            self._http2.send_response(stream_id, headers)
            self.write_soon()

    def message(self, stream_id: int, message: bytes) -> bool:
        """Queue a message; whether more may follow at once."""
        if self._transport.is_closing():
            return True  # its call is cancelled as soon as the socket is gone
        self.headers(stream_id, ())
        self._http2.send_data(stream_id, framed(message))
        if self._has_room(stream_id):
            self.write_soon()
            return True
        self.write()
        return self._has_room(stream_id)

    def status(self, stream_id: int, status: int, details: str, metadata: Metadata) -> None:
        """End the response."""
        if self._transport.is_closing():
            return
        trailers = status_headers(status, details, metadata)
        if stream_id in self._headers_sent:
            self._headers_sent.discard(stream_id)
            self._http2.send_trailers(stream_id, trailers)
        else:
            self._http2.send_response(stream_id, [*_RESPONSE, *trailers], end_stream=True)
        self.write_soon()

    def acknowledge(self, stream_id: int, size: int) -> None:
        """Give the client back room for ``size`` bytes of a request."""
        if size and not self._transport.is_closing():
            self._http2.acknowledge_received_data(size, stream_id)
            self.write_soon()

    async def drained(self, stream_id: int) -> None:
        """Wait until little of the stream and not too much of all is queued.

        A call whose stream is gone is cancelled instead.
        """
        while not self._has_room(stream_id):
            event = self._waiting[stream_id] = asyncio.Event()
            try:
                await event.wait()
            finally:
                self._waiting.pop(stream_id, None)

    def forget(self, stream_id: int) -> None:
        """The stream is gone, and what waited of it: there may be room for others."""
        self._headers_sent.discard(stream_id)
        if self._waiting:
            self._wake(stream_id)
            self._granted = True
            self.write_soon()

    def granted(self) -> None:
        """The client takes more: the next write asks who waits, once for all that was said before it."""
        self._granted = True

    def pause(self) -> None:
        """The socket takes no more for now."""
        self._writable = False

    def resume(self) -> None:
        """The socket takes more."""
        self._writable = True
        self._granted = True
        self.write()

    def write_soon(self) -> None:
        """Write at the end of this round of the loop, so that all who are ready share one write."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._write_if_due)

    def hold(self) -> None:
        """Write nothing until ``write`` is called, as it is about to be."""
        self._due = True

    def write(self) -> None:
        """Write what HTTP/2 has ready, as far as the socket takes it."""
        self._due = False
        while self._writable and not self._transport.is_closing():
            data = self._http2.data_to_send(_CHUNK)
            if data:
                self._send(data)
            if len(data) < _CHUNK:
                break
        if self._granted:
            self._granted = False
            for stream_id in [each for each in self._waiting if self._has_room(each)]:
                self._wake(stream_id)
        self._written()

    def _send(self, data: bytes) -> None:
        """Hand data to the socket itself when nothing waits before them.

        uvloop's transport would write them one round of the loop later: 60 microseconds, a fifth of a short
        read, measured.
        """
        transport = self._transport
        if self._socket >= 0 and not transport.get_write_buffer_size():
            with contextlib.suppress(OSError):  # full, or gone: the transport waits, or finds out and says so
                data = data[os.write(self._socket, data) :]
        if data:
            transport.write(data)

    def _has_room(self, stream_id: int) -> bool:
        return self._http2.queued_body_size(stream_id) < _STREAM_WAITING and not self.full

    def _wake(self, stream_id: int) -> None:
        event = self._waiting.get(stream_id)
        if event is not None:
            event.set()

    def _write_if_due(self) -> None:
        if self._due:
            self.write()


def _plain_socket(transport: asyncio.Transport) -> int:
    """The descriptor that takes what is written as it is; -1 where TLS is between."""
    connection = transport.get_extra_info("socket")
    if connection is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    return int(connection.fileno())
