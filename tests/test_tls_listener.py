"""Connections that never finish their TLS handshake: bounded in number and time, and no harm to others."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from fastapi import FastAPI, Request

from diag.admin.bounded_http import Limits
from diag.admin.server import AdminServer

pytestmark = pytest.mark.anyio

QUICK = Limits(head_seconds=0.4, connections=20, of_an_address=8, farewell_seconds=0.2)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Each on the loop that nodes run on, too."""
    return "asyncio", {"use_uvloop": request.param}


class Place:
    """A server, and connections to it that are closed with it."""

    def __init__(self, port: int, authority: trustme.CA) -> None:
        self._port = port
        self._context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        self.opened: list[asyncio.StreamWriter] = []

    async def plain(self) -> Streams:
        """One that has not said anything."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.opened.append(writer)
        return reader, writer

    async def served(self) -> bytes:
        """The answer to a request over TLS; what hinders it is raised."""
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context)
            self.opened.append(writer)
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(7)

    async def is_served(self) -> bool:
        """Whether a request over TLS is let in now."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            return await self.served() == b'"https"'
        return False

    async def reset(self) -> None:
        """Shake hands, and reset the connection in the same breath as the last words of that."""
        loop = asyncio.get_running_loop()
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(heard, said, server_hostname="127.0.0.1")
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            while not _is_shaken(tls):
                await loop.sock_sendall(connection, said.read())
                heard.write(await loop.sock_recv(connection, 1 << 16))
            connection.send(said.read())


def _is_shaken(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    app, authority = FastAPI(), trustme.CA()

    @app.get("/")
    async def scheme(request: Request) -> str:
        return request.url.scheme

    made = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made.cert_chain_pems[0].write_to_path(cert)
    made.private_key_pem.write_to_path(key)
    server = AdminServer(app, "127.0.0.1", 0, cert=str(cert), key=str(key), limits=QUICK)
    place = Place(await server.start(), authority)
    yield place
    for writer in place.opened:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    await server.stop()


async def hung_up(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection, within ten seconds."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            return await reader.read() == b""
        return True


async def test_who_shakes_hands_is_served(place: Place) -> None:
    assert await place.served() == b'"https"'
    assert await place.served() == b'"https"'


async def test_a_handshake_that_never_comes_is_not_waited_for(place: Place) -> None:
    reader, _ = await place.plain()
    assert await hung_up(reader)


@pytest.mark.parametrize("said", [GET, b"\xff" * 1000, b"\x16\x03\x01\x02\x00\x01"])
async def test_what_is_no_handshake_ends_nothing(place: Place, said: bytes) -> None:
    reader, writer = await place.plain()
    writer.write(said)
    await asyncio.wait_for(reader.read(), 10) if said != GET else None
    assert await place.served() == b'"https"'


async def test_handshakes_count_among_the_connections_of_an_address(place: Place) -> None:
    held = [await place.plain() for _ in range(QUICK.of_an_address)]
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await place.served()
    for reader, _ in held:
        assert await hung_up(reader)
    assert await place.served() == b'"https"', "what was held is free again"


async def test_what_is_closed_is_forgotten(place: Place) -> None:
    for _ in range(3 * QUICK.connections):
        _, writer = await place.plain()
        writer.close()
        await writer.wait_closed()
    assert await place.served() == b'"https"'


async def test_who_resets_after_the_handshake_is_forgotten(place: Place) -> None:
    for _ in range(QUICK.of_an_address):
        await place.reset()
    async with asyncio.timeout(10):
        while not await place.is_served():
            pass
