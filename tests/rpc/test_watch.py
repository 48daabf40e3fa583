import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest

from diag.rpc.stubs import meta_pb2 as pb
from tests.polling import until_async
from tests.rpc.harness import BIG, RawClient, RpcNode, Transport, put_op, refused, some

pytestmark = pytest.mark.anyio


def event(response: pb.WatchResponse) -> tuple[str, int, int]:
    return response.event.key, response.event.prev.seq, response.event.current.seq


async def test_the_headers_come_before_there_is_anything_to_say(node: RpcNode, raw: RawClient) -> None:
    call = raw.stub.Watch(pb.WatchRequest(key="k"))
    await asyncio.wait_for(call.initial_metadata(), 5)
    assert node.hub.watcher_count == node.metrics.watchers == 1
    call.cancel()
    await until_async(lambda: node.hub.watcher_count == 0)
    assert node.metrics.watchers == 0


async def test_an_empty_range_is_refused(raw: RawClient) -> None:
    for end in ("", "a", "b"):
        code, text = await refused(raw.stub.Watch(pb.WatchRequest(key="b", key_end=end)))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "empty range" in text


async def test_an_unknown_filter_is_refused(raw: RawClient) -> None:
    request = pb.WatchRequest.FromString(b"\x0a\x01k\x18\x09")
    assert (await refused(raw.stub.Watch(request)))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_one_key_and_a_range(raw: RawClient) -> None:
    one = await raw.watching(key="d/a")
    many = await raw.watching(key="d/", key_end="d0")
    await raw.put("d/a")
    await raw.put("d/b")
    await raw.put("e")
    await raw.put("d/a")
    assert [event(r) for r in await some(one, 2)] == [("d/a", 0, 1), ("d/a", 1, 4)]
    assert [event(r) for r in await some(many, 3)] == [("d/a", 0, 1), ("d/b", 0, 2), ("d/a", 1, 4)]


async def test_filters(raw: RawClient) -> None:
    deletes = await raw.watching(key="k", filter_type=pb.WatchRequest.DELETE)
    updates = await raw.watching(key="k", filter_type=pb.WatchRequest.UPDATE)
    await raw.put("k")
    await raw.transaction(pb.TxnRequest(if_then=[pb.TxnOp(delete=pb.TxnDeleteRequest(key="k"))]))
    await raw.put("k")
    assert [event(r) for r in await some(deletes, 1)] == [("k", 1, 0)]
    assert [event(r) for r in await some(updates, 2)] == [("k", 0, 1), ("k", 0, 2)]


async def test_a_purge_by_expiry_is_a_delete(node: RpcNode, raw: RawClient) -> None:
    await raw.transaction(pb.TxnRequest(if_then=[put_op("k", ttl_ms=1000)]))
    watch = await raw.watching(key="k", filter_type=pb.WatchRequest.DELETE)
    node.clock.now_ms += 1001
    await raw.put("other")
    assert event((await some(watch, 1))[0]) == ("k", 1, 0)


async def test_the_initial_flush_then_its_end_mark_then_changes(raw: RawClient) -> None:
    keys = [f"d/{n:04}" for n in range(600)]
    await raw.transaction(pb.TxnRequest(if_then=[put_op(key) for key in keys]))
    watch = await raw.watching(key="d/", key_end="d0", initial_flush=True, filter_type=pb.WatchRequest.DELETE)
    await raw.transaction(pb.TxnRequest(if_then=[pb.TxnOp(delete=pb.TxnDeleteRequest(key="d/0000"))]))
    responses = await some(watch, 602)
    assert [r.event.key for r in responses[:600]] == keys
    assert all(r.is_initialization and r.event.HasField("current") for r in responses[:600])
    assert responses[600] == pb.WatchResponse()
    assert event(responses[601]) == ("d/0000", 1, 0)


async def test_a_flush_of_nothing_is_its_end_mark(raw: RawClient) -> None:
    watch = await raw.watching(key="d/", key_end="d0", initial_flush=True)
    assert list(await some(watch, 1)) == [pb.WatchResponse()]


async def test_a_watcher_that_stops_reading_is_let_go_and_writers_never_wait(
    tmp_path: Path, transport: Transport
) -> None:
    async with (
        RpcNode(tmp_path, transport, max_events=50) as node,
        node.raw() as raw,
        grpc.aio.insecure_channel(node.endpoint, options=BIG) as channel,
    ):
        slow = await RawClient(channel).watching(key="k")
        other = await raw.watching(key="k")
        value = b"v" * 100_000
        for _ in range(400):
            await asyncio.wait_for(raw.put("k", value), 10)
            await some(other, 1)
        await until_async(lambda: node.hub.watcher_count == 1)
        code, text = await refused(slow)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "watch again" in text
        other.cancel()


async def test_a_thousand_watchers_hear_of_one_change(node: RpcNode, raw: RawClient) -> None:
    calls = [raw.stub.Watch(pb.WatchRequest(key="k")) for _ in range(1000)]
    await until_async(lambda: node.hub.watcher_count == 1000, 30)
    await raw.put("k")
    heard = await asyncio.wait_for(asyncio.gather(*(call.read() for call in calls)), 30)
    assert {event(response) for response in heard} == {("k", 0, 1)}
    for call in calls:
        call.cancel()
    await until_async(lambda: node.hub.watcher_count == 0, 30)


async def test_stopping_the_server_ends_open_watches_at_once(node: RpcNode, raw: RawClient) -> None:
    calls = [await raw.watching(key="k") for _ in range(5)]
    await asyncio.wait_for(node.server.stop(10), 5)
    for call in calls:
        assert (await refused(call))[0] is grpc.StatusCode.UNAVAILABLE
    assert node.hub.watcher_count == 0
    assert (await refused(raw.stub.GetClientInfo(pb.Empty())))[0] is grpc.StatusCode.UNAVAILABLE
