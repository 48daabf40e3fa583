import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest

from diag.errors import Unavailable
from diag.kv.commands import AsIs, Lifetime, MatchSeq, Upsert
from diag.rpc.client import MetaClient
from diag.rpc.stubs import meta_pb2 as pb
from tests.polling import until_async
from tests.rpc.harness import RpcNode, Transport, put_op, refused

pytestmark = pytest.mark.anyio


async def test_a_client_needs_an_endpoint() -> None:
    with pytest.raises(ValueError, match="endpoint"):
        MetaClient([])


async def test_everything_on_an_empty_store(node: RpcNode) -> None:
    async with node.client() as client:
        assert await client.get("k") is None
        assert await client.mget([]) == []
        assert [item async for item in client.list("")] == []
        assert not (await client.delete("k")).success
        assert [item async for item in client.keys_layout()] == [("", 0)]
        assert list(await client.member_list()) == ["127.0.0.1:9191"]
        assert (await client.cluster_status()).is_leader
        assert (await client.client_info()).server_time == node.clock.now_ms
        assert len([line async for line in client.export()]) > 0


async def test_a_node_far_away_is_given_time_to_greet(node: RpcNode) -> None:
    """A busy machine, or TLS over a continent, takes longer than gRPC's shortest pause between attempts."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)  # the distance
        there = await asyncio.open_connection("127.0.0.1", node.port)
        await asyncio.gather(carry(reader, there[1]), carry(there[0], writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with MetaClient([f"127.0.0.1:{server.sockets[0].getsockname()[1]}"], attempts=1) as client:
        assert await client.get("k") is None
    server.close()


async def test_write_and_read_back(node: RpcNode) -> None:
    async with node.client() as client:
        first = await client.put("a", b"1", ttl_ms=5000)
        assert first.prev is None
        assert first.current is not None
        assert first.current.expire_at == node.clock.now_ms + 5000
        second = await client.put("a", b"2")
        assert second.prev == first.current
        assert await client.get("a") == second.current
        await client.put("b", b"3", expire_at=1_800_000_000)
        assert [key async for key, _ in client.list("", 1)] == ["a"]
        assert [r.data if r else None for r in await client.mget(["b", "-", "a"])] == [b"3", None, b"2"]
        gone = await client.delete("a")
        assert (gone.success, gone.prev) == (True, second.current)
        reply = await client.transaction(pb.TxnRequest(if_then=[put_op("c")]))
        assert reply.success


async def test_upserts(node: RpcNode) -> None:
    async with node.client() as client:
        made = await client.upsert(Upsert("k", MatchSeq(exact=0), b"v", Lifetime(ttl_ms=9000)))
        assert made.prev is None
        assert made.result is not None
        assert (made.result.data, made.result.expire_at) == (b"v", node.clock.now_ms + 9000)
        renewed = await client.upsert(Upsert("k", MatchSeq(at_least=1), AsIs()))
        assert renewed.result is not None
        assert (renewed.result.data, renewed.result.expire_at) == (b"v", None)
        assert (await client.upsert(Upsert("k", MatchSeq(), None))).result is None


async def test_watching(node: RpcNode) -> None:
    async with node.client() as client:
        await client.put("d/a", b"1")
        events = client.watch("d/", "d0", initial_flush=True)
        first = await anext(events)
        assert (first.key, first.initial, first.prev) == ("d/a", True, None)
        await client.put("d/b", b"2")
        then = await asyncio.wait_for(anext(events), 10)
        assert (then.key, then.initial) == ("d/b", False)
        assert then.current is not None
        await events.aclose()
        await until_async(lambda: node.hub.watcher_count == 0)


async def test_a_watch_ends_with_the_reason_of_a_node_that_stops(node: RpcNode) -> None:
    """Before its first event, too: what was registered is not begun anew behind its caller's back."""
    async with node.client() as client:
        events = client.watch("k")
        first = asyncio.ensure_future(anext(events))
        await until_async(lambda: node.hub.watcher_count == 1)
        await client.put("another", b"")  # what comes after on the same connection: the client knows of it
        await node.server.stop(5)
        with pytest.raises(Unavailable, match=f"{node.endpoint} .*the meta node is stopping; watch another"):
            await first


async def test_a_watch_begins_at_the_next_endpoint_while_the_first_stops(
    node: RpcNode, tmp_path: Path, transport: Transport
) -> None:
    async with RpcNode(tmp_path / "b", transport) as other:
        node.service.stop()
        async with MetaClient([node.endpoint, other.endpoint]) as client:
            first = asyncio.ensure_future(anext(client.watch("k")))
            await until_async(lambda: other.hub.watcher_count == 1)
            await other.log.propose(Upsert("k", MatchSeq(), b"v"))
            assert (await first).key == "k"


async def test_a_revoked_token_is_not_noticed(node: RpcNode) -> None:
    async with node.client() as client:
        await client.put("k", b"1")
        for _ in range(3):
            node.auth.revoke_all()
            await asyncio.gather(*(client.put(f"k{n}", b"2") for n in range(20)))
            node.auth.revoke_all()
            assert [key async for key, _ in client.list("k", 1)] == ["k"]
            node.auth.revoke_all()
            assert await client.get("k") is not None


async def test_an_unknown_user_gives_up(node: RpcNode) -> None:
    async with node.client(username="alice") as client:
        code, text = await refused(client.get("k"))
        assert (code, text) == (grpc.StatusCode.UNAUTHENTICATED, "Unknown user: alice")


async def test_a_dead_endpoint_is_skipped(node: RpcNode, unused_tcp_port: int) -> None:
    async with MetaClient([f"127.0.0.1:{unused_tcp_port}", node.endpoint]) as client:
        assert await client.get("k") is None


async def test_no_node_at_all_is_unavailable(unused_tcp_port: int) -> None:
    async with MetaClient([f"127.0.0.1:{unused_tcp_port}"], attempts=2) as client:
        assert (await refused(client.get("k")))[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_node_that_stops_leaves_the_others(tmp_path: Path, transport: Transport) -> None:
    async with RpcNode(tmp_path / "b", transport) as b:
        async with RpcNode(tmp_path / "a", transport) as a:
            client = MetaClient([a.endpoint, b.endpoint])
            await client.put("where", b"a")
        await client.put("where", b"b")
        await client.close()
        async with b.client() as other:
            record = await other.get("where")
            assert record is not None
            assert record.data == b"b"
