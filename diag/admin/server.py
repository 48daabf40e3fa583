"""uvicorn on a loop that is running already, with the listening socket and the signals left to the node."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from diag.admin.bounded_http import Limits, bounded
from diag.errors import ConfigError
from diag.open_connections import OpenConnections, Place
from diag.tls_listener import TlsListener

_BACKLOG = 2048


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def protocol(self, place: Place) -> asyncio.Protocol:
        """One for a connection that somebody else accepted and entered."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, place=place
        )
        return made

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The node handles signals: it stops more than this server."""
        yield


class AdminServer:
    """Serves ``app`` at ``host:port`` (0: any free port), with TLS when ``cert`` and ``key`` are given.

    Clients may show certificates of the authority ``client_ca``; none is served with one of another.
    """

    def __init__(
        self,
        app: FastAPI,
        host: str,
        port: int,
        *,
        cert: str = "",
        key: str = "",
        client_ca: str = "",
        limits: Limits | None = None,
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self._limits = limits or Limits()
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._secure: TlsListener | None = None

    async def start(self) -> int:
        """Listen and serve; returns the bound port. ConfigError when address or TLS files cannot be used."""
        self._check_tls()
        known = OpenConnections(self._limits.connections, self._limits.of_an_address)
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="on",
            http=bounded(self._limits, known),
            ws="none",
            # The guard needs the connection's own address, not a header's.
            proxy_headers=False,
            ssl_certfile=self._cert or None,
            ssl_keyfile=self._key or None,
            ssl_ca_certs=self._client_ca or None,
            ssl_cert_reqs=ssl.CERT_OPTIONAL if self._client_ca else ssl.CERT_NONE,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            files = (self._cert, self._key, self._client_ca)
            raise ConfigError(
                f"The TLS files {', '.join(filter(None, files))} cannot be used: {error}."
            ) from None
        listener = self._listen()
        self._server = _Server(config)
        # Over TLS the listener is ours: uvicorn would not see who never finishes the handshake.
        sockets = [listener] if config.ssl is None else []
        self._serving = asyncio.create_task(self._server.serve(sockets=sockets), name="admin server")
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait([listening, self._serving], return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if not self._server.started:
            await self._serving
            listener.close()
            raise ConfigError("The admin API could not start; the log says why.")
        if config.ssl is not None:
            make = self._server.protocol
            self._secure = TlsListener(listener, config.ssl, make, self._limits.head_seconds, known)
        return int(listener.getsockname()[1])

    async def stop(self, grace: float = 2.0) -> None:
        """Stop listening, give running requests ``grace`` seconds, then end them. May be called twice."""
        if self._server is None or self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(grace))
        self._server.should_exit = True
        if self._secure is not None:
            await self._secure.stop()
            self._secure = None
        await self._serving
        self._server = self._serving = None

    def _check_tls(self) -> None:
        if bool(self._cert) != bool(self._key):
            raise ConfigError("admin_tls_server_cert and admin_tls_server_key go together; one is missing.")
        for file in filter(None, (self._cert, self._key)):
            if not Path(file).is_file():
                raise ConfigError(f"The TLS file {file} does not exist; give the path of a PEM file.")

    def _listen(self) -> socket.socket:
        address = f"{self._host}:{self._port}"
        try:
            family, *_, target = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)[0]
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise ConfigError(f"admin_api_address {address} cannot be used: {error.strerror}.") from None
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(target)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"admin_api_address {address} cannot be used: {error.strerror}. "
                "Choose another, or stop what has it."
            ) from None
        return listener
