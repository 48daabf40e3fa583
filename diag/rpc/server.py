"""The gRPC port: the service on one of two transports.

``grpcio`` is the reference. ``native`` does HTTP/2 in Rust, outside the GIL, at about
half the CPU a call. It knows no TLS, and it holds a message of any size whole before it
refuses it, so that a stranger could fill the memory: ``auto`` takes it on loopback only.
"""

import importlib.util
import ipaddress
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import grpc
import grpc.aio

from diag.errors import ConfigError, Unavailable
from diag.rpc.dispatch import Handler
from diag.rpc.reflect import reflection_services
from diag.rpc.service import SERVICE, MetaService

MAX_MESSAGE_SIZE = 32 << 20

#: A watch is a stream, and one client connection may carry all of an engine's.
MAX_STREAMS = 100_000

Transport: TypeAlias = Literal["auto", "native", "grpcio"]


class Tls(NamedTuple):
    """A certificate chain and its key, PEM."""

    cert: bytes
    key: bytes


class RpcServer:
    """Serves ``service`` on ``address`` (host:port; port 0 takes a free one)."""

    def __init__(
        self,
        service: MetaService,
        address: str,
        *,
        transport: Transport = "auto",
        tls: Tls | None = None,
        max_message_size: int = MAX_MESSAGE_SIZE,
    ) -> None:
        self._service = service
        self._address = address
        self._tls = tls
        self.transport = _resolve(transport, address, tls)
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", max_message_size),
            ("grpc.max_send_message_length", -1),  # the dispatcher bounds what it sends
            ("grpc.max_concurrent_streams", MAX_STREAMS),
            ("grpc.so_reuseport", 0),  # a port already served is an error, not a share of its calls
        ]
        self._server = (
            self._on_native(options) if self.transport == "native" else grpc.aio.server(options=options)
        )
        self.add(SERVICE, service.handlers(max_message_size))
        for name, handlers in reflection_services((SERVICE,)).items():
            self.add(name, handlers)

    def _on_native(self, options: list[tuple[str, Any]]) -> grpc.aio.Server:
        from diag.rpc.native import NativeServer  # its package is absent on some platforms

        return cast("grpc.aio.Server", NativeServer(options, self._service.shortcuts()))

    def add(self, service: str, handlers: dict[str, Handler]) -> None:
        """Serve another service on the same port; before ``start``."""
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self._server.add_registered_method_handlers(service, handlers)

    async def start(self) -> int:
        """Listen; returns the port. Raises Unavailable when the address cannot be bound."""
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(self._address)
            else:
                port = self._server.add_secure_port(
                    self._address, grpc.ssl_server_credentials([(self._tls.key, self._tls.cert)])
                )
        except RuntimeError as error:
            doubt = "" if self._tls is None else ", or is the certificate not one for the key"
            raise Unavailable(
                f"cannot listen on {self._address} for gRPC; is another node running there{doubt}? "
                f"The transport says: {error}"
            ) from error
        await self._server.start()
        return port

    async def stop(self, grace: float = 5.0) -> None:
        """End watches at once, other calls when they are done or after ``grace`` seconds."""
        self._service.stop()
        await self._server.stop(grace)


def _resolve(transport: Transport, address: str, tls: Tls | None) -> Literal["native", "grpcio"]:
    available = importlib.util.find_spec("pygrpc_native") is not None
    if transport == "native" and (tls is not None or not available):
        why = "it cannot do TLS" if available else "its package is not installed on this platform"
        raise ConfigError(f"the native gRPC transport cannot be used: {why}; use grpcio or auto")
    if transport == "auto":
        return "native" if available and tls is None and _is_loopback(address) else "grpcio"
    return transport


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
