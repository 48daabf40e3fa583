"""What hostile, broken and dying clients may do, on both transports."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
import pytest

from diag.rpc.stubs import meta_pb2 as pb
from tests.polling import until_async
from tests.rpc.harness import RawClient, RpcNode, put_op, refused, some

pytestmark = pytest.mark.anyio

INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
LIMIT = 32 << 20

BROKEN_BYTES = {
    "truncated": pb.TxnRequest(if_then=[put_op("key", b"value" * 20)]).SerializeToString()[:-7],
    "random": bytes(range(1, 250)),
    "not-utf-8": b"\x12\x08\x12\x06\x0a\x02\xff\xfe\x12\x00",
    "group-never-ended": b"\x0b" * 50,
    "too-deep": b"\x22\x7f" * 300,
}


@pytest.mark.parametrize("payload", BROKEN_BYTES.values(), ids=BROKEN_BYTES)
async def test_bytes_that_are_no_message(node: RpcNode, raw: RawClient, payload: bytes) -> None:
    code, text = await refused(raw.bytes_call("Transaction", payload))
    assert code is INVALID
    assert "not a message" in text
    open_call: Any = raw.channel.unary_stream("/meta.MetaService/KvReadV1")
    assert (await refused(open_call(b"\x0a\x02\xff\xfe", metadata=raw.token)))[0] is INVALID
    assert (await raw.put("k")).success
    assert node.metrics.req_inflights == 0


async def test_a_broken_message_in_the_middle_of_an_exchange(raw: RawClient) -> None:
    call: Any = raw.channel.stream_stream("/meta.MetaService/KvGetMany")(metadata=raw.token)
    await call.write(pb.KvGetManyRequest(key="a").SerializeToString())
    assert pb.StreamItem.FromString(await call.read()).key == "a"
    await call.write(b"\x0a\x02\xff\xfe")
    assert (await refused(call.read()))[0] is INVALID


async def test_a_message_of_the_limit_and_one_byte_more(raw: RawClient) -> None:
    request = pb.TxnRequest(if_then=[put_op("k", b"")])
    overhead = 40
    request.if_then[0].put.value = b"x" * (LIMIT - overhead)
    payload = request.SerializeToString()
    payload += b"\x78\x00" * ((LIMIT - len(payload)) // 2)  # an unknown field, skipped
    payload += b"\xf8\x01\x00" * 0
    assert LIMIT - 1 <= len(payload) <= LIMIT
    # The reply repeats the value and its meta, which no longer fits.
    code, text = await refused(raw.bytes_call("Transaction", payload))
    assert code is EXHAUSTED
    assert f"above the limit of {LIMIT} bytes" in text
    assert "nothing was written" in text
    code, text = await refused(raw.bytes_call("Transaction", payload + b"\x78\x00"))
    assert code is EXHAUSTED
    assert str(LIMIT) in text
    (item,) = await raw.read_v1('{"GetKV":{"key":"k"}}')
    assert not item.HasField("value")


UNANSWERABLE = {
    "many puts": [put_op(f"k{n:02}", b"v" * ((1 << 20) - 22)) for n in range(32)],
    "a condition of its own": [put_op("k", b"v" * (LIMIT - 30), match_seq=7)],
    "a generated key": [
        pb.TxnOp(put_sequential=pb.PutSequential(prefix="p/", sequence_key="n", value=b"v" * (LIMIT - 40)))
    ],
}


@pytest.mark.parametrize("operations", UNANSWERABLE.values(), ids=UNANSWERABLE)
async def test_a_put_that_no_reply_could_hold_is_not_made(raw: RawClient, operations: list[pb.TxnOp]) -> None:
    calls = [
        raw.transaction(pb.TxnRequest(if_then=operations)),
        raw.transaction(pb.TxnRequest(operations=[pb.ConditionalOperation(operations=operations)])),
        raw.stub.KvTransaction(
            pb.KvTransactionRequest(branches=[pb.ConditionalOperation(operations=operations)]),
            metadata=raw.token,
        ),
    ]
    for call in calls:
        code, text = await refused(call)
        assert code is EXHAUSTED
        assert "nothing was written" in text
    assert await raw.read_v1('{"ListKV":{"prefix":""}}') == []


async def test_an_upsert_that_no_reply_could_hold_is_not_made(raw: RawClient) -> None:
    head = '{"UpsertKV":{"key":"k","seq":"Any","value_meta":null,"value":{"Update":['
    numbers = "100," * ((LIMIT - len(head) - 10) // 4) + "1"
    code, text = await refused(raw.kv_api(f"{head}{numbers}]}}}}}}"))
    assert code is EXHAUSTED
    assert f"above the limit of {LIMIT} bytes" in text
    assert "nothing was written" in text
    assert await raw.read_v1('{"ListKV":{"prefix":""}}') == []


async def test_a_reply_that_only_the_value_before_makes_too_large_is_told_as_a_write_made(
    raw: RawClient,
) -> None:
    value = b"v" * (17 << 20)
    await raw.put("k", value)
    code, text = await refused(raw.put("k", value))
    assert (code, "a write it answers was made" in text) == (EXHAUSTED, True)
    update = '{"UpsertKV":{"key":"j","seq":"Any","value_meta":null,"value":{"Update":[%s]}}}' % (
        "100," * (5 << 20) + "1"
    )
    await raw.kv_api(update)
    code, text = await refused(raw.kv_api(update))
    assert (code, "a write it answers was made" in text) == (EXHAUSTED, True)
    found = await raw.read_v1('{"MGetKV":{"keys":["k","j"]}}')
    assert [item.value.seq for item in found] == [2, 4]


async def test_a_large_value_comes_back(raw: RawClient) -> None:
    value = os.urandom(20 << 20)
    reply = await raw.put("k", value)
    assert reply.responses[0].put.current.data == value
    (item,) = await raw.read_v1('{"MGetKV":{"keys":["k"]}}')
    assert item.value.data == value


async def test_unknown_methods_and_services(raw: RawClient) -> None:
    for path in ("/meta.MetaService/Nope", "/meta.Other/Transaction", "/nothing"):
        call: Any = raw.channel.unary_unary(path)
        assert (await refused(call(b"")))[0] is grpc.StatusCode.UNIMPLEMENTED


async def test_a_call_the_client_cancels(node: RpcNode, raw: RawClient) -> None:
    await raw.put("k", b"v" * (4 << 20))
    before = node.metrics.req_failed
    call = raw.stub.KvReadV1(
        pb.RaftRequest(data='{"MGetKV":{"keys":[' + ",".join(['"k"'] * 50) + "]}}"), metadata=raw.token
    )
    await call.read()
    call.cancel()
    await until_async(lambda: node.metrics.req_inflights == 0)
    assert node.metrics.req_failed == before + 1


async def test_readers_that_stop_reading_hold_up_nobody(node: RpcNode, raw: RawClient) -> None:
    """More of them than a small thread pool has threads, and more to send than any window holds."""
    await raw.put("k", b"v" * (1 << 20))
    request = '{"MGetKV":{"keys":[' + ",".join(['"k"'] * 60) + "]}}"
    async with AsyncExitStack() as stack:
        for _ in range(12):
            stalled = await stack.enter_async_context(node.raw())
            call = stalled.stub.KvReadV1(pb.RaftRequest(data=request), metadata=stalled.token)
            await call.read()
        assert len(await asyncio.wait_for(raw.read_v1(request), 20)) == 60
        assert (await raw.put("k")).success
    await until_async(lambda: node.metrics.req_inflights == 0)


async def test_a_deadline_ends_a_stream_on_both_sides(node: RpcNode, raw: RawClient) -> None:
    call = raw.stub.Watch(pb.WatchRequest(key="k"), timeout=0.3)
    assert (await refused(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    await until_async(lambda: node.hub.watcher_count == 0)


CHILD = """
import sys, grpc
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.stubs.meta_pb2_grpc import MetaServiceStub
stub = MetaServiceStub(grpc.insecure_channel(sys.argv[1]))
calls = [stub.Watch(pb.WatchRequest(key="k")) for _ in range(20)]
for call in calls:
    call.initial_metadata()
print("ready", flush=True)
next(calls[0])
"""


async def test_a_client_that_is_killed(node: RpcNode, raw: RawClient) -> None:
    command = [sys.executable, "-c", CHILD, node.endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:  # noqa: ASYNC220  it starts at once
        await until_async(lambda: node.hub.watcher_count == 20, 30)
        child.send_signal(signal.SIGKILL)
        await until_async(lambda: node.hub.watcher_count == 0)
    assert (await raw.put("k")).success


async def test_bytes_that_are_no_http(node: RpcNode, raw: RawClient) -> None:
    for junk in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b""):
        with socket.create_connection(("127.0.0.1", node.port)) as connection:
            connection.sendall(junk)
    assert (await raw.put("k")).success


async def test_many_calls_in_flight_and_each_its_own_answer(raw: RawClient) -> None:
    replies = await asyncio.gather(*(raw.put(f"k{n}", str(n).encode()) for n in range(500)))
    for n, reply in enumerate(replies):
        put = reply.responses[0].put
        assert (put.key, put.current.data) == (f"k{n}", str(n).encode())
    assert sorted(reply.responses[0].put.current.seq for reply in replies) == list(range(1, 501))


async def test_calls_in_flight_finish_when_the_server_stops_with_grace(node: RpcNode, raw: RawClient) -> None:
    watch = await raw.watching(key="k499")
    puts = asyncio.gather(*(raw.put(f"k{n}") for n in range(500)), return_exceptions=True)
    await some(watch, 1)
    await node.server.stop(10)
    replies = await puts
    for reply in replies:
        if isinstance(reply, grpc.aio.AioRpcError):
            assert reply.code() is grpc.StatusCode.UNAVAILABLE
        else:
            assert isinstance(reply, pb.TxnReply)
            assert reply.success


async def test_what_was_served_is_counted(node: RpcNode, raw: RawClient) -> None:
    metrics = node.metrics
    request = pb.TxnRequest(if_then=[put_op("k")])
    received, sent, success = metrics.recv_bytes, metrics.sent_bytes, metrics.req_success
    reply = await raw.transaction(request)
    assert metrics.recv_bytes - received == request.ByteSize()
    assert metrics.sent_bytes - sent == reply.ByteSize()
    await raw.read_v1('{"MGetKV":{"keys":["a","b"]}}')
    await raw.read_v1('{"GetKV":{"key":"a"}}')
    await raw.read_v1('{"ListKV":{"prefix":""}}')
    metrics.fold()
    assert metrics.stream_items_sent == {"get": 1, "mget": 2, "list": 1}
    await until_async(lambda: metrics.req_success == success + 4)
    await refused(raw.read_v1("?"))
    await until_async(lambda: metrics.req_failed == 1)
    assert metrics.req_inflights == 0
