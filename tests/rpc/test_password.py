"""A node with a password of its own: what it takes, and that nothing is open beside the handshake."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from diag.rpc.stubs import meta_pb2 as pb
from diag.tries import FREE
from tests.rpc.harness import BIG, RawClient, RpcNode, Transport, refused

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse, battery"


@pytest.fixture(params=["nghttp2", "grpcio"])
async def closed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[RpcNode, RawClient]]:
    """The node, and a client that has not said who it is."""
    transport: Transport = request.param
    async with (
        RpcNode(tmp_path, transport, password=PASSWORD) as node,
        grpc.aio.insecure_channel(node.endpoint, options=BIG) as channel,
    ):
        yield node, RawClient(channel)


async def test_the_password_is_right_and_all_others_are_not(closed: tuple[RpcNode, RawClient]) -> None:
    node, raw = closed
    wrong = ["", PASSWORD.upper(), PASSWORD + " ", PASSWORD[:-1]]
    for status, text in await asyncio.gather(*(refused(raw.login(password=one)) for one in wrong)):
        assert status is grpc.StatusCode.UNAUTHENTICATED
        assert "the password of root is another" in text
        assert PASSWORD not in text
    await raw.login(password=PASSWORD)
    await raw.put("k")
    async with node.client(password=PASSWORD) as client:
        assert await client.get("k") is not None
        assert [line async for line in client.export()]
        assert (await client.cluster_status()).state == "Leader"
    async with node.client(password="wrong", attempts=1) as client:
        status, _ = await refused(client.get("k"))
        assert status is grpc.StatusCode.UNAUTHENTICATED


async def test_who_guesses_has_to_wait(closed: tuple[RpcNode, RawClient]) -> None:
    _, raw = closed
    guesses = (raw.login(password=f"guess {number}") for number in range(200))
    told = await asyncio.gather(*(refused(one) for one in guesses))
    assert [status for status, _ in told].count(grpc.StatusCode.UNAUTHENTICATED) == FREE
    status, text = await refused(raw.login(password=PASSWORD))
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED, "or the wait would hold up nobody"
    assert "Too many wrong passwords came from 127.0.0.1; the next is looked at in" in text


async def test_the_same_wrong_password_again_is_no_guess(closed: tuple[RpcNode, RawClient]) -> None:
    _, raw = closed
    again = (refused(raw.login(password="last month's")) for _ in range(20))
    assert {status for status, _ in await asyncio.gather(*again)} == {grpc.StatusCode.UNAUTHENTICATED}
    await raw.login(password=PASSWORD)


async def test_no_method_but_the_handshake_answers_without_a_token(closed: tuple[RpcNode, RawClient]) -> None:
    node, raw = closed
    methods = node.service.handlers(1 << 20)
    streams = {"Watch", "Export", "ExportV1", "SnapshotKeysLayout", "KvReadV1", "KvList", "KvGetMany"}
    assert streams < methods.keys()
    for name in methods.keys() - {"Handshake"}:
        stream: Any = raw.channel.stream_stream(f"/meta.MetaService/{name}")
        call = stream(iter([b""])) if name in streams else raw.bytes_call(name, b"")
        status, text = await refused(call)
        assert (status, name) == (grpc.StatusCode.UNAUTHENTICATED, name)
        assert "is empty" in text


async def test_without_a_password_any_is_right(tmp_path: Path) -> None:
    async with RpcNode(tmp_path, "nghttp2") as node, node.raw() as raw:
        await raw.login(password="whatever")
        assert (await raw.stub.GetClusterStatus(pb.Empty())).state == "Leader"
