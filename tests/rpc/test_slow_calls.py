"""Slow calls as the service tells of them: which, with what key, and in which stage they were slow."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest

from diag.metrics.slow import KEY, SlowRequest, SlowRequests
from diag.rpc.stubs import meta_pb2 as pb
from tests.polling import until_async
from tests.rpc.harness import RpcNode, Transport, put_op, refused

pytestmark = pytest.mark.anyio

#: Every call takes longer.
AT_ONCE = 1e-9


@pytest.fixture(params=["nghttp2", "grpcio"])
async def told(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[RpcNode, SlowRequests]]:
    transport: Transport = request.param
    slow = SlowRequests(AT_ONCE)
    async with RpcNode(tmp_path, transport, slow=slow) as node:
        yield node, slow


def newest(slow: SlowRequests) -> SlowRequest:
    return slow.newest_first()[0]


async def test_a_quick_call_is_not_told(tmp_path: Path) -> None:
    slow = SlowRequests(60)
    async with RpcNode(tmp_path, "nghttp2", slow=slow) as node, node.raw() as raw:
        await raw.put("k")
        await raw.read_v1('{"GetKV":{"key":"k"}}')
    assert slow.total == 0


async def test_the_stages_of_a_write_add_up(told: tuple[RpcNode, SlowRequests]) -> None:
    node, slow = told
    async with node.raw() as raw:
        await raw.stub.Transaction(
            pb.TxnRequest(if_then=[put_op("table/1")]), metadata=(*raw.token, ("x-request-id", "night-1"))
        )
    await until_async(lambda: slow.total == 1)
    call = newest(slow)
    assert (call.method, call.key, call.request_id, call.error) == ("Transaction", "table/1", "night-1", None)
    assert list(call.stages) == ["queue", "apply", "fsync", "reply"]
    assert sum(call.stages.values()) == pytest.approx(call.seconds)
    assert all(seconds >= 0 for seconds in call.stages.values())


async def test_what_has_not_the_form_of_an_id_is_told_nowhere(told: tuple[RpcNode, SlowRequests]) -> None:
    node, slow = told
    request = pb.TxnRequest(if_then=[put_op("table/1")])
    read = pb.RaftRequest(data='{"GetKV":{"key":"table/1"}}')
    async with node.raw() as raw:
        for given, told_id in (("night-7", "night-7"), ("night shift 7", None), ("n" * 65, None)):
            named = (*raw.token, ("x-request-id", given))
            await raw.stub.Transaction(request, metadata=named)
            await until_async(lambda: slow.total > 0 and newest(slow).method == "Transaction")
            assert (newest(slow).method, newest(slow).request_id) == ("Transaction", told_id)
            assert [item async for item in raw.stub.KvReadV1(read, metadata=named)]
            await until_async(lambda: newest(slow).method == "KvReadV1")
            assert newest(slow).request_id == told_id
        await raw.stub.Transaction(request, metadata=raw.token)
        await until_async(lambda: newest(slow).method == "Transaction")
        assert newest(slow).request_id is None


async def test_the_first_key_of_each_kind_of_request(told: tuple[RpcNode, SlowRequests]) -> None:
    node, slow = told
    upsert = '{"UpsertKV":{"key":"u/1","seq":{"GE":0},"value":{"Update":[1]},"value_meta":null}}'
    get = pb.TxnOp(get=pb.TxnGetRequest(key="g"))
    by_prefix = pb.TxnOp(delete_by_prefix=pb.TxnDeleteByPrefixRequest(prefix="d/"))
    guarded = pb.TxnRequest(condition=[pb.TxnCondition(key="c", seq=0)], if_then=[get])
    branches = pb.KvTransactionRequest(branches=[pb.ConditionalOperation(operations=[get])])
    async with node.raw() as raw:
        requests: dict[str, Callable[[], Awaitable[object]]] = {
            "u/1": lambda: raw.kv_api(upsert),
            "m1": lambda: raw.kv_api('{"MGetKV":{"keys":["m1","m2"]}}'),
            "c": lambda: raw.transaction(guarded),
            "d/": lambda: raw.transaction(pb.TxnRequest(if_then=[by_prefix])),
            "g": lambda: raw.bytes_call("KvTransaction", branches.SerializeToString()),
            "": lambda: raw.transaction(pb.TxnRequest()),
            "k" * KEY: lambda: raw.put("k" * 4000),
        }
        for key, ask in requests.items():
            await ask()
            await until_async(lambda key=key: slow.total > 0 and newest(slow).key == key)  # type: ignore[misc]
        await raw.put("big", b"x" * (1 << 20))
        await until_async(lambda: newest(slow).key == "")  # a large request is not read again
        assert newest(slow).received > 1 << 20


async def test_a_list_is_told_by_its_prefix(told: tuple[RpcNode, SlowRequests]) -> None:
    node, slow = told
    async with node.raw() as raw:
        call = raw.stub.KvList(pb.KvListRequest(prefix="p/"), metadata=raw.token)
        assert [item async for item in call] == []
        await until_async(lambda: slow.total > 0 and newest(slow).method == "KvList")
        assert newest(slow).key == "p/"
        await raw.read_v1('{"ListKV":{"prefix":"q/"}}')
        await until_async(lambda: newest(slow).key == "q/")


async def test_a_failure_is_told_with_its_status(told: tuple[RpcNode, SlowRequests]) -> None:
    node, slow = told
    async with node.raw() as raw:
        status, _ = await refused(raw.put("k" * 5000))
        assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
        # A caller may have the answer before the call is told.
        await until_async(lambda: slow.total == 1)
        assert newest(slow).error == "RESOURCE_EXHAUSTED"
        await refused(raw.bytes_call("Transaction", b"\xff\xff"))
        await until_async(lambda: slow.total == 2)
        assert (newest(slow).error, newest(slow).key) == ("INVALID_ARGUMENT", "")


async def test_what_holds_a_write_up_stands_in_its_stage(told: tuple[RpcNode, SlowRequests]) -> None:
    node, slow = told
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with node.store.write():
            held.set()
            release.wait(20)

    async with node.raw() as raw:
        await raw.put("before")  # the thread that writes has started
        holding = threading.Thread(target=hold)
        holding.start()
        await asyncio.to_thread(held.wait, 20)
        first = asyncio.create_task(raw.put("a"))
        await until_async(lambda: node.log.counters().proposals_pending == 1)
        second = asyncio.create_task(raw.put("b"))
        await until_async(lambda: node.log.counters().proposals_pending == 2)
        release.set()
        await asyncio.gather(first, second)
        await asyncio.to_thread(holding.join)
    calls = {call.key: call for call in slow.newest_first()}
    assert max(calls["a"].stages, key=calls["a"].stages.__getitem__) == "apply"
    assert set(calls["b"].stages) == {"queue", "apply", "fsync", "reply"}
