"""The nghttp2 transport: listens, and stops without cutting off what it can still answer."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from diag.open_connections import OpenConnections
from diag.rpc.dispatch import Handler
from diag.rpc.h2_connection import Connection, Shared
from diag.rpc.shortcut import Shortcut
from diag.tls_listener import TlsListener

_BACKLOG = 1024

#: Connections in all, and of one address: an engine opens few, but many engines may be behind one address.
CONNECTIONS = 4096
_OF_AN_ADDRESS = 512

#: As on the admin port: who does not speak by then is not going to.
HANDSHAKE_SECONDS = 10.0

#: How long a client may take to accept the good-bye.
_GOOD_BYE_SECONDS = 1.0


class Http2Server:
    """Serves handlers, by method path, whose messages are bytes of at most ``limit``.

    A TLS handshake may take ``handshake_seconds``; connections beyond the bounds of ``known`` are closed.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        shortcuts: Mapping[str, Shortcut],
        limit: int,
        *,
        handshake_seconds: float = HANDSHAKE_SECONDS,
        known: OpenConnections | None = None,
    ) -> None:
        self._handshake_seconds = handshake_seconds
        self._shared = Shared(
            limit, handlers, shortcuts, known or OpenConnections(CONNECTIONS, _OF_AN_ADDRESS)
        )
        self._listener: asyncio.Server | TlsListener | None = None

    async def start(self, host: str, port: int, tls: tuple[Path, Path] | None) -> int:
        """Listen (``tls`` names certificate chain and key); returns the port. Raises OSError or SSLError."""
        context = None if tls is None else _context(*tls)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=host == "::"
        )
        try:
            self._listener = await self._listen(listening, context)
        except BaseException:
            listening.close()
            raise
        return int(listening.getsockname()[1])

    async def _listen(
        self, listening: socket.socket, context: ssl.SSLContext | None
    ) -> asyncio.Server | TlsListener:
        if context is None:
            loop = asyncio.get_running_loop()
            return await loop.create_server(lambda: Connection(self._shared), sock=listening)
        connection = partial(Connection, self._shared)
        return TlsListener(listening, context, connection, self._handshake_seconds, self._shared.known)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, wait ``grace`` seconds for those under way, and close; may be called again."""
        self._shared.stopping = True
        if isinstance(self._listener, TlsListener):
            await self._listener.stop()
        elif self._listener is not None:
            self._listener.close()
        connections = list(self._shared.connections)
        for connection in connections:
            connection.announce_stop()
        tasks = [task for connection in connections for task in connection.tasks]
        if tasks and grace > 0:
            await asyncio.wait(tasks, timeout=grace)
        for connection in connections:
            connection.stop_calls()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in connections:
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOOD_BYE_SECONDS):
                await asyncio.gather(*(connection.closed for connection in connections))
        for connection in list(self._shared.connections):
            connection.abort()


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["h2"])
    return context
