"""Clients that send slowly, too much, or nonsense: they are let go, and the others served meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fastapi import FastAPI, Request

from diag.admin.bounded_http import Limits
from diag.admin.server import AdminServer

pytestmark = pytest.mark.anyio

QUICK = Limits(
    head_seconds=0.4,
    part_seconds=0.4,
    body_seconds=1.2,
    connections=20,
    of_an_address=8,
    farewell_seconds=0.2,
)
#: What a client hears that is still sending when it is let go: its system may forget what came before.
LET_GO = {b"HTTP/1.1 408 ", b""}
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def connect() -> AsyncIterator[Open]:
    app = FastAPI()

    @app.get("/")
    async def hello() -> str:
        return "hello"

    @app.post("/")
    async def length(request: Request) -> int:
        return len(await request.body())

    server = AdminServer(app, "127.0.0.1", 0, limits=QUICK)
    port = await server.start()
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return reader, writer

    yield connect
    for writer in opened:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    await server.stop()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server hangs up, within ten seconds."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            return await reader.read()
        return b""


async def served(connect: Open) -> bytes:
    reader, writer = await connect()
    writer.write(GET)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(7)
    writer.close()
    return head.split(b"\r\n")[0]


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """A byte every twentieth of a second, as long as the server takes them."""
    with contextlib.suppress(OSError):
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(
                0.05
            )  # no waiting for something: the slow client is what the server is to bear


async def test_a_connection_on_which_nothing_comes_is_closed(connect: Open) -> None:
    reader, _ = await connect()
    assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_comes_byte_by_byte_is_not_waited_for(connect: Open) -> None:
    reader, writer = await connect()
    dripping = asyncio.create_task(drip(writer, b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 1000))
    began = time.monotonic()
    assert (await answer(reader))[:13] in LET_GO
    assert time.monotonic() - began < 5
    dripping.cancel()


async def test_the_second_head_of_a_connection_is_bounded_too(connect: Open) -> None:
    reader, writer = await connect()
    writer.write(GET)
    await reader.readuntil(b'"hello"')
    writer.write(b"GET / HT")
    assert b"408 Request Timeout" in await answer(reader)


async def test_a_body_that_stops_or_drips_for_ever_is_given_up(connect: Open) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    reader, writer = await connect()
    writer.write(head + b"x")
    assert b"408" in await answer(reader)
    reader, writer = await connect()
    writer.write(head)
    dripping = asyncio.create_task(drip(writer, b"x" * 999))
    assert (await answer(reader))[:13] in LET_GO
    dripping.cancel()


async def test_a_body_in_parts_within_the_bounds_is_taken(connect: Open) -> None:
    reader, writer = await connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n\r\n")
    await drip(writer, b"abcdef")
    assert (await answer(reader)).endswith(b"\r\n\r\n6")


async def test_one_address_does_not_take_all_connections(connect: Open) -> None:
    held = [await connect() for _ in range(QUICK.of_an_address)]
    reader, _ = await connect()
    assert (await answer(reader)).startswith(b"HTTP/1.1 503 ")
    for reader, _ in held:
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")
    assert await served(connect) == b"HTTP/1.1 200 OK", "what was held is free again"


async def test_others_are_served_while_some_are_slow(connect: Open) -> None:
    for _ in range(QUICK.of_an_address - 1):
        _, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nX: ")
    assert await served(connect) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"\xff" * 1000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\nConnection: close\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX\x00: y\r\n\r\n",
        b"PRI * HTTP/2.0\r\nConnection: close\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_and_ends_nothing(connect: Open, sent: bytes) -> None:
    reader, writer = await connect()
    writer.write(sent)
    assert not (await answer(reader)).startswith(b"HTTP/1.1 5")
    assert await served(connect) == b"HTTP/1.1 200 OK"


async def test_what_is_closed_is_forgotten(connect: Open) -> None:
    for _ in range(3 * QUICK.connections):
        _, writer = await connect()
        writer.close()
        await writer.wait_closed()

    assert await served(connect) == b"HTTP/1.1 200 OK"
