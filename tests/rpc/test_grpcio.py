"""What gRPC's own server bounds, and what it says that it does not."""

import asyncio
import logging
from typing import Any

import grpc
import grpc.aio
import pytest

from diag.rpc.dispatch import Handler
from diag.rpc.server import Grpcio
from tests.rpc.h2_client import H2Client, connected

pytestmark = pytest.mark.anyio

LIMIT = 1 << 20


async def is_served(client: H2Client) -> bool:
    """Whether the connection is served, and not closed."""
    await client.until(lambda: client.greeted or client.closed)
    return client.greeted


async def test_connections_are_bounded_and_one_that_goes_makes_room() -> None:
    server = Grpcio({}, LIMIT, connections=2)
    port = await server.start("127.0.0.1", 0, None)
    async with connected(port) as first:
        async with connected(port) as second:
            assert await is_served(first)
            assert await is_served(second)
            for _ in range(3):
                async with connected(port) as beyond:
                    assert not await is_served(beyond)
        async with asyncio.timeout(10):
            while True:
                async with connected(port) as after:
                    if await is_served(after):
                        break
        assert not first.closed
    await server.stop(0)


async def test_calls_are_bounded_over_all_connections() -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def serve(request: bytes, _context: Any) -> bytes:
        begun.set()
        await over.wait()
        return request

    server = Grpcio({"a.B": {"C": Handler("unary", serve)}}, LIMIT, calls=1)
    port = await server.start("127.0.0.1", 0, None)
    # A pool of its own each: channels of one process share a connection.
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own) as one,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own) as other,
    ):
        call: Any = one.unary_unary("/a.B/C")
        beyond: Any = other.unary_unary("/a.B/C")
        first = call(b"served")
        await begun.wait()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await beyond(b"refused")
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        over.set()
        assert await first == b"served"
        assert await beyond(b"next") == b"next"
    await server.stop(0)


async def test_its_start_says_what_it_does_not_bound(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    server = Grpcio({}, LIMIT)
    await server.start("127.0.0.1", 0, None)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "grpc_transport = grpcio: one address may have all of the 4096 connections" in said
    await server.stop(0)
