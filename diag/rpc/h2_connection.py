"""One client's connection on the nghttp2 transport: its bytes become calls.

HTTP/2 itself (frames, header compression, flow control) is libnghttp2's. All of
a connection's work is done on the event loop: a call that a shortcut answers costs
one wake-up and one write, where a transport with threads of its own takes three.
What is bounded here: connections, requests that wait to be whole (``Shared.held``), replies that a
client does not take (its calls wait, and new ones are refused), resets a second.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar, cast
from urllib.parse import quote

import grpc
import ngh2

from diag.errors import MetaError, NotImplementedHere, Unavailable
from diag.open_connections import OpenConnections, Place
from diag.rpc.dispatch import Handler
from diag.rpc.h2_call import Call
from diag.rpc.h2_output import Output
from diag.rpc.shortcut import Shortcut
from diag.rpc.wire import Headers, RequestHead, only_message, request_head

#: A watch is a stream, and one connection may carry all of an engine's.
MAX_STREAMS = 100_000

#: Bytes of requests over all connections: headers, and messages that no handler has taken yet.
_REQUESTS_HELD = 512 << 20

_HEADS = 16
_SHORT_REQUEST = 16 << 10
_SETTINGS = {
    ngh2.Setting.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    ngh2.Setting.INITIAL_WINDOW_SIZE: 4 << 20,
    ngh2.Setting.MAX_FRAME_SIZE: 64 << 10,
    ngh2.Setting.MAX_HEADER_LIST_SIZE: 16 << 10,
}
_CONNECTION_WINDOW = 16 << 20

#: An engine resets a stream for every watch it ends; reference servers allow thousands in flight.
_CONFIGURATION = ngh2.Configuration(
    auto_window_update=False,
    stream_reset_rate_limit=(20_000, 2_000),
    max_inbound_header_list_size=16 << 10,
)
_STOPPING = "the meta node is stopping; ask another"

_LOGGER = logging.getLogger(__name__)

_Item = TypeVar("_Item")


class Shared:
    """What the connections of one server have in common."""

    def __init__(
        self,
        limit: int,
        handlers: Mapping[str, Handler],
        shortcuts: Mapping[str, Shortcut],
        known: OpenConnections,
    ) -> None:
        self.known = known
        self.limit = limit
        self.handlers = handlers
        self.shortcuts = shortcuts
        self.connections: set[Connection] = set()
        self.stopping = False
        self.held = 0
        self._warned = False

    def enter(self, peer: str) -> Place:
        """A place for a connection of ``peer``; the first that is not granted is told in the log."""
        place = self.known.enter(peer.rpartition(":")[0])
        if not place.granted and not self._warned:
            self._warned = True
            _LOGGER.warning(
                "a connection of %s is closed: that address, or all together, have as many as this node "
                "takes; others like it are not told",
                peer,
            )
        return place


class Connection(asyncio.Protocol):
    """A client, from its TCP connection to its last call.

    ``place`` is the connection's where whoever accepted it entered it.
    """

    def __init__(self, shared: Shared, place: Place | None = None) -> None:
        self._shared = shared
        self._place = place
        self._http2 = ngh2.Connection(ngh2.Role.SERVER, _CONFIGURATION)
        self._calls: dict[int, Call] = {}
        #: Calls that a shortcut may answer, and what came of their requests: most never become a ``Call``.
        self._short: dict[int, tuple[RequestHead, bytes]] = {}
        #: A client's calls differ in little: most have the very headers of one before.
        self._request_head = lru_cache(_HEADS)(request_head)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def tasks(self) -> list["asyncio.Task[None]"]:
        """The handlers at work."""
        return [call.task for call in self._calls.values() if call.task is not None and not call.task.done()]

    # From the socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._output = Output(self._http2, self._transport, self._drain_events)
        self._peer = _peer(transport)
        self._place = self._place or self._shared.enter(self._peer)
        if not self._place.granted:
            self._transport.close()
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._transport.close()
        _notice_silence(transport.get_extra_info("socket"))
        self._shared.connections.add(self)
        self._http2.initiate_connection(_SETTINGS)
        self._http2.set_local_window_size(_CONNECTION_WINDOW)
        self._output.write()

    def data_received(self, data: bytes) -> None:
        self._output.hold()
        try:
            self._http2.receive_data(data)
        except ngh2.NGH2Error as error:
            # Not HTTP/2, or beyond a limit: nothing else is read.
            _LOGGER.debug("the connection of %s is closed: %s", self._peer, error)
            self._hang_up()
            return
        self._drain_events()
        self._output.write()

    def eof_received(self) -> None:
        """The client will ask nothing more and, as is usual, hears nothing more."""
        self._hang_up()

    def connection_lost(self, error: Exception | None) -> None:
        self._shared.connections.discard(self)
        if self._place is not None:
            self._place.leave()
        self._close_calls()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._output.pause()

    def resume_writing(self) -> None:
        self._output.resume()

    # From the server.

    def announce_stop(self) -> None:
        """Ask the client for no more calls here; those under way go on."""
        if not self._transport.is_closing():
            self._http2.send_shutdown_notice()
            self._output.write()

    def stop_calls(self) -> None:
        """End the calls under way with UNAVAILABLE."""
        for call in list(self._calls.values()):
            call.stop(_STOPPING)

    def close(self) -> None:
        """Say good-bye and close once that is written."""
        if not self._transport.is_closing():
            self._output.write()
            self._http2.terminate_connection()
            self._output.write()
            self._transport.close()

    def abort(self) -> None:
        """Close at once, for a client that takes nothing."""
        self._transport.abort()

    # From calls.

    def hold(self, size: int) -> None:
        """Account for bytes of requests; Unavailable, and nothing is changed, when they are too many."""
        held = self._shared.held + size
        if size > 0 and held > _REQUESTS_HELD:
            raise Unavailable(
                f"this node holds {_REQUESTS_HELD >> 20} MiB of requests that are not at work; try again"
            )
        self._shared.held = held

    # HTTP/2's events.

    def _drain_events(self) -> None:
        events = self._http2.events()
        if events and isinstance(events[-1], ngh2.ConnectionClosed):
            # Always the last, and none of the others can be answered any more.
            self._hang_up()
            return
        for event in events:
            if isinstance(event, ngh2.DataReceived):
                self._of_stream(self._receive, event.stream_id, event.data, event.end_stream)
            elif isinstance(event, ngh2.RequestReceived):
                self._of_stream(self._open, event.stream_id, event.headers, event.end_stream)
            elif isinstance(event, ngh2.StreamClosed):
                self._close_stream(event.stream_id)
            elif isinstance(event, ngh2.WindowUpdated | ngh2.SettingsReceived):
                self._output.granted()
            elif isinstance(event, ngh2.TrailersReceived):
                self._of_stream(self._receive, event.stream_id, b"", True)

    def _of_stream(
        self, handle: Callable[[int, _Item, bool], None], stream_id: int, item: _Item, end: bool
    ) -> None:
        try:
            handle(stream_id, item, end)
        except ngh2.StreamProtocolError:
            # Reset in the same breath: HTTP/2 knows already, and the event that says so comes next.
            self._close_stream(stream_id)

    def _open(self, stream_id: int, headers: Headers, end: bool) -> None:
        try:
            head = self._request_head(headers)
            if head.refusal is not None:
                self._output.refuse(stream_id, head.refusal)
                return
            self._admit(head)
            if head.path in self._shared.shortcuts:
                self.hold(head.size)
                self._short[stream_id] = (head, b"")
            else:
                self._make_call(stream_id, head)
        except MetaError as error:
            self._output.status(stream_id, grpc.StatusCode[error.grpc_status].value[0], str(error), ())
            return
        if end:
            self._receive(stream_id, b"", True)

    def _admit(self, head: RequestHead) -> None:
        if head.path not in self._shared.handlers:
            raise NotImplementedHere(f"there is no method {head.path[:200]}")
        if self._shared.stopping:
            raise Unavailable(_STOPPING)
        self._output.refuse_when_full()

    def _make_call(self, stream_id: int, head: RequestHead) -> None:
        self._calls[stream_id] = Call(
            stream_id,
            head,
            self._shared.handlers[head.path],
            output=self._output,
            hold=self.hold,
            peer=self._peer,
            limit=self._shared.limit,
        )

    def _receive(self, stream_id: int, data: bytes, end: bool) -> None:
        short = self._short.get(stream_id)
        if short is not None:
            head, before = short
            # An engine ends its requests with an empty piece. What waits here is not acknowledged, so that
            # the connection's window bounds it.
            data = before + data
            if not end and len(data) <= _SHORT_REQUEST:
                self._short[stream_id] = (head, data)
                return
            self._forget_short(stream_id)
            if end and self._answer(stream_id, data, head):
                return
            self._make_call(stream_id, head)
        call = self._calls.get(stream_id)
        if call is None:
            self._output.acknowledge(stream_id, len(data))
        else:
            call.receive(data, end)

    def _answer(self, stream_id: int, data: bytes, head: RequestHead) -> bool:
        """Answer a whole request by its shortcut; False when it needs its handler after all."""
        request = only_message(data, self._shared.limit)
        if request is None:
            return False
        try:
            messages = self._shared.shortcuts[head.path](request, head.metadata)
        except Exception:
            # Let through, it would cost the client its connection; the handler tells its caller the error.
            _LOGGER.exception("a shortcut failed in a way nobody foresaw")
            return False
        if messages is None:
            return False
        self._output.acknowledge(stream_id, len(data))
        self._output.answer(stream_id, messages)
        return True

    def _forget_short(self, stream_id: int) -> None:
        short = self._short.pop(stream_id, None)
        if short is not None:
            self.hold(-short[0].size)

    def _close_stream(self, stream_id: int) -> None:
        self._forget_short(stream_id)
        call = self._calls.pop(stream_id, None)
        if call is not None:
            call.close()
        self._output.forget(stream_id)

    def _close_calls(self) -> None:
        for stream_id in list(self._short):
            self._forget_short(stream_id)
        calls = list(self._calls.values())
        self._calls.clear()
        for call in calls:
            call.close()

    def _hang_up(self) -> None:
        """Close once what is written is taken, which may be never: no call waits for it."""
        self._transport.close()
        self._close_calls()


def _peer(transport: asyncio.BaseTransport) -> str:
    """``ipv4:1.2.3.4:5`` or ``ipv6:%5B::1%5D:5``, as gRPC has it."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "unknown"
    host, port = name[:2]
    return f"ipv6:{quote(f'[{host}]', safe=':')}:{port}" if ":" in host else f"ipv4:{host}:{port}"


def _notice_silence(connection: socket.socket | None) -> None:
    """Have the system find out within minutes that a client's machine is gone."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
