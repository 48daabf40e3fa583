"""The gRPC port: the service on one of two transports.

``nghttp2`` serves on the event loop itself, with HTTP/2 by libnghttp2: a call is one
wake-up and one write, at a fraction of the other's CPU. ``grpcio`` is gRPC's own, kept
to fall back on and to compare with. It bounds connections and calls all together, and
knows no bound for one address nor for what unfinished requests hold: its start says so.
"""

import logging
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

import grpc
import grpc.aio

from diag.errors import Unavailable
from diag.profilers.labels import name_task
from diag.rpc.dispatch import Handler
from diag.rpc.h2_connection import MAX_STREAMS
from diag.rpc.h2_server import CONNECTIONS, HANDSHAKE_SECONDS, Http2Server
from diag.rpc.reflect import reflection_services
from diag.rpc.service import SERVICE, MetaService

MAX_MESSAGE_SIZE = 32 << 20

TransportName: TypeAlias = Literal["nghttp2", "grpcio"]

#: How long a client of grpcio may be silent before it is asked whether it is there, and then take to answer.
_SILENCE_MS: Final = 60_000
_ANSWER_MS: Final = 20_000

_LOGGER = logging.getLogger(__name__)


class Tls(NamedTuple):
    """Files of a certificate chain and its key, PEM."""

    cert: Path
    key: Path


class Transport(Protocol):
    """What listens for calls."""

    async def start(self, host: str, port: int, tls: Tls | None) -> int:
        """Listen; the port. Raises OSError, or RuntimeError for what only the transport knows."""

    async def stop(self, grace: float) -> None: ...


class RpcServer:
    """Serves ``service`` on ``address`` (host:port; port 0 takes a free one)."""

    def __init__(
        self,
        service: MetaService,
        address: str,
        *,
        transport: TransportName = "nghttp2",
        tls: Tls | None = None,
        max_message_size: int = MAX_MESSAGE_SIZE,
    ) -> None:
        self._service = service
        self._address = address
        self._tls = tls
        self._name = transport
        self._limit = max_message_size
        self._services = {SERVICE: service.handlers(max_message_size), **reflection_services((SERVICE,))}
        self._transport: Transport | None = None
        self._stops: list[Callable[[], None]] = [service.stop]

    def add(self, service: str, handlers: dict[str, Handler], stop: Callable[[], None] | None = None) -> None:
        """Serve another service on the same port; before ``start``. ``stop`` ends its endless calls."""
        self._services[service] = handlers
        if stop is not None:
            self._stops.append(stop)

    async def start(self) -> int:
        """Listen; returns the port. Raises Unavailable when the address cannot be bound."""
        self._transport = transport = self._make_transport()
        host, _, port = self._address.rpartition(":")
        try:
            return await transport.start(host.strip("[]"), int(port), self._tls)
        except (OSError, RuntimeError) as error:
            doubt = "" if self._tls is None else ", or is the certificate not one for the key"
            raise Unavailable(
                f"cannot listen on {self._address} for gRPC; is another node running there{doubt}? "
                f"The transport says: {_reason(error)}"
            ) from error

    async def stop(self, grace: float = 5.0) -> None:
        """End watches at once, other calls when they are done or after ``grace`` seconds."""
        for stop in self._stops:
            stop()
        if self._transport is not None:
            await self._transport.stop(grace)

    def _make_transport(self) -> Transport:
        if self._name == "grpcio":
            return Grpcio(self._services, self._limit)
        handlers = {
            f"/{service}/{method}": handler
            for service, methods in self._services.items()
            for method, handler in methods.items()
        }
        return Http2Server(handlers, self._service.shortcuts(), self._limit)


_Serve: TypeAlias = Callable[[Any, Any], Coroutine[Any, Any, Any]]

_MAKE: dict[str, Callable[[Any], Any]] = {
    "unary": grpc.unary_unary_rpc_method_handler,
    "stream": grpc.unary_stream_rpc_method_handler,
    "exchange": grpc.stream_stream_rpc_method_handler,
}


class Grpcio:
    """gRPC's own server as a ``Transport``, of at most ``connections``; ``calls`` at a time over all of them.

    No connection is ended for its age: watches last as long as their engine.
    """

    def __init__(
        self,
        services: dict[str, dict[str, Handler]],
        limit: int,
        *,
        connections: int = CONNECTIONS,
        calls: int = MAX_STREAMS,
    ) -> None:
        self._connections = connections
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", -1),  # the dispatcher bounds what it sends
            ("grpc.max_concurrent_streams", MAX_STREAMS),
            ("grpc.max_allowed_incoming_connections", connections),
            ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_SECONDS * 1000)),
            # A client whose machine is gone is found out, and its connection makes room.
            ("grpc.keepalive_time_ms", _SILENCE_MS),
            ("grpc.keepalive_timeout_ms", _ANSWER_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            # A node probes the connections to the others, where one may wait long for an answer.
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.so_reuseport", 0),  # a port already served is an error, not a share of its calls
        ]
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=calls)
        for service, handlers in services.items():
            made = {
                name: _MAKE[handler.kind](_named(f"/{service}/{name}", handler.serve))
                for name, handler in handlers.items()
            }
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, made),))

    async def start(self, host: str, port: int, tls: Tls | None) -> int:
        _LOGGER.warning(
            "grpc_transport = grpcio: one address may have all of the %d connections, and what unfinished "
            "requests hold is not bounded; where not all clients are trusted, leave grpc_transport out",
            self._connections,
        )
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if tls is None:
            bound = self._server.add_insecure_port(address)
        else:
            pair = (tls.key.read_bytes(), tls.cert.read_bytes())
            bound = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        await self._server.start()
        return bound

    async def stop(self, grace: float) -> None:
        await self._server.stop(grace)


def _named(path: str, serve: _Serve) -> _Serve:
    """``serve`` in a task whose name says which request it serves, as a profile tells it."""

    async def call(request: Any, context: Any) -> Any:
        name_task(path)
        return await serve(request, context)

    return call


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        return str(error)
    return error.strerror or str(error)
