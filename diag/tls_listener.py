"""Accepts connections and has them shake hands: counted from the first moment, and not waited for long.

A server of ``asyncio`` hears of a connection only once its handshake is over: some hundreds of clients that
never finish one would hold as many of the process's files, counted by nobody, for a minute each.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from diag.open_connections import OpenConnections, Place

#: Seconds until the next try where the process has no file left.
_PAUSE: Final = 0.5


class TlsListener:
    """Makes a connection of ``protocol`` once the client has shaken hands, within ``seconds``.

    The connection has entered ``known`` then, and its protocol is to leave the place that it gets.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[Place], asyncio.Protocol],
        seconds: float,
        known: OpenConnections,
    ) -> None:
        self._listener = listener
        self._context = context
        self._protocol = protocol
        self._seconds = seconds
        self._known = known
        self._handshakes: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(), name="TLS listener")

    async def stop(self) -> None:
        """Accept no more, and end the handshakes that are under way."""
        self._accepting.cancel()
        # A handshake that has not begun yet would close nothing when it is cancelled.
        await asyncio.wait([self._accepting])
        ending = list(self._handshakes)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(_PAUSE)
                continue
            place = self._known.enter(str(peer[0]))
            if not place.granted:
                place.leave()
                connection.close()
                continue
            handshake = asyncio.create_task(self._shake_hands(connection, place))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, connection: socket.socket, place: Place) -> None:
        done = False
        try:
            # What is no TLS, or none that we speak, or late, has nobody to tell. The loop closes it.
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    partial(self._protocol, place),
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=self._seconds,
                )
                done = True
        finally:
            if not done:
                place.leave()
