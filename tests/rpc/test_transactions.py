import grpc.aio
import pytest

from diag.rpc.stubs import meta_pb2 as pb
from tests.rpc.harness import RawClient, RpcNode, put_op

pytestmark = pytest.mark.anyio

EQ = pb.TxnCondition.EQ
NOW = 1_700_000_000_000


def seq_is(key: str, seq: int) -> pb.TxnCondition:
    return pb.TxnCondition(key=key, seq=seq, expected=EQ)


def get_op(key: str) -> pb.TxnOp:
    return pb.TxnOp(get=pb.TxnGetRequest(key=key))


async def test_an_empty_request_takes_the_then_branch(raw: RawClient) -> None:
    assert await raw.transaction(pb.TxnRequest()) == pb.TxnReply(success=True, execution_path="then")


async def test_an_empty_kv_transaction_executes_nothing(raw: RawClient) -> None:
    reply = await raw.stub.KvTransaction(pb.KvTransactionRequest(), metadata=raw.token)
    assert reply == pb.KvTransactionReply()
    assert not reply.HasField("executed_branch")


async def test_a_table_lock_as_an_engine_takes_and_releases_it(node: RpcNode, raw: RawClient) -> None:
    await raw.put("table")
    lock = "lock/26"
    reply = await raw.transaction(
        pb.TxnRequest(
            condition=[seq_is("table", 1), seq_is(lock, 0)],
            if_then=[put_op(lock, b"pb", expire_at=1_700_000_015)],
        )
    )
    (response,) = reply.responses
    assert (reply.success, reply.execution_path) == (True, "then")
    assert not response.put.HasField("prev_value")
    current = response.put.current
    assert (current.seq, current.data) == (2, b"pb")
    assert (current.meta.expire_at, current.meta.proposed_at_ms) == (1_700_000_015, NOW)
    released = await raw.transaction(
        pb.TxnRequest(condition=[seq_is(lock, 2)], if_then=[pb.TxnOp(delete=pb.TxnDeleteRequest(key=lock))])
    )
    assert released.responses[0].delete.success
    assert released.responses[0].delete.prev_value == current


async def test_the_branch_that_runs_is_named(raw: RawClient) -> None:
    await raw.put("k")
    holds = pb.BooleanExpression(conditions=[seq_is("k", 1)])
    fails = pb.BooleanExpression(conditions=[seq_is("k", 9)])

    def branch(predicate: pb.BooleanExpression, key: str) -> pb.ConditionalOperation:
        return pb.ConditionalOperation(predicate=predicate, operations=[get_op(key)])

    request = pb.TxnRequest(
        operations=[branch(fails, "a"), branch(holds, "b")],
        condition=[seq_is("k", 9)],
        else_then=[get_op("k")],
    )
    reply = await raw.transaction(request)
    assert (reply.success, reply.execution_path) == (True, "operation:1")
    del request.operations[1]
    reply = await raw.transaction(request)
    assert (reply.success, reply.execution_path) == (False, "else")
    assert reply.responses[0].get.value.seq == 1
    del request.else_then[:]
    assert await raw.transaction(request) == pb.TxnReply(success=False, execution_path="else")
    del request.condition[:]
    assert await raw.transaction(request) == pb.TxnReply(success=True, execution_path="then")


async def test_predicates_nest_and_a_missing_one_holds(raw: RawClient) -> None:
    await raw.put("k", b"m")
    either = pb.BooleanExpression(
        operator=pb.BooleanExpression.OR,
        sub_expressions=[pb.BooleanExpression(operator=pb.BooleanExpression.OR)],
        conditions=[
            pb.TxnCondition(key="k", value=b"a", expected=pb.TxnCondition.LT),
            pb.TxnCondition(key="k"),
            pb.TxnCondition(key="", keys_with_prefix=1, expected=pb.TxnCondition.GE),
        ],
    )
    branches = [pb.ConditionalOperation(predicate=either, operations=[get_op("k")])]
    reply = await raw.stub.KvTransaction(pb.KvTransactionRequest(branches=branches), metadata=raw.token)
    assert (reply.executed_branch, reply.responses[0].get.value.data) == (0, b"m")
    branches = [
        pb.ConditionalOperation(predicate=pb.BooleanExpression(conditions=[seq_is("k", 9)])),
        pb.ConditionalOperation(operations=[get_op("nothing")]),
    ]
    reply = await raw.stub.KvTransaction(pb.KvTransactionRequest(branches=branches), metadata=raw.token)
    assert reply.executed_branch == 1
    assert reply.responses[0].get == pb.TxnGetResponse(key="nothing")


async def test_every_operation_and_its_response(raw: RawClient) -> None:
    reply = await raw.transaction(
        pb.TxnRequest(
            if_then=[
                put_op("d/a", ttl_ms=5000),
                put_op("d/a", b"w", match_seq=0),
                pb.TxnOp(
                    put_sequential=pb.PutSequential(prefix="d/", sequence_key="n", value=b"s", ttl_ms=9000)
                ),
                pb.TxnOp(fetch_increase_u64=pb.FetchIncreaseU64(key="n", delta=5, max_value=7)),
                pb.TxnOp(fetch_increase_u64=pb.FetchIncreaseU64(key="n", delta=1, match_seq=99)),
                pb.TxnOp(delete=pb.TxnDeleteRequest(key="d/a", match_seq=99)),
                pb.TxnOp(delete_by_prefix=pb.TxnDeleteByPrefixRequest(prefix="d/")),
                pb.TxnOp(),
            ]
        )
    )
    put, kept, sequential, increased, same, mismatch, by_prefix, unset = reply.responses
    assert put.put.current.meta.expire_at == NOW + 5000
    assert kept.put.prev_value == kept.put.current == put.put.current
    assert sequential.put.key == "d/000_000_000_000_000_000_000"
    assert sequential.put.current.meta.expire_at == NOW + 9000
    increase = increased.fetch_increase_u64
    assert (increase.before, increase.after, increase.before_seq, increase.after_seq) == (1, 12, 2, 4)
    assert (same.fetch_increase_u64.after, same.fetch_increase_u64.after_seq) == (12, 4)
    assert not mismatch.delete.success
    assert mismatch.delete.prev_value == put.put.current
    assert by_prefix.delete_by_prefix == pb.TxnDeleteByPrefixResponse(prefix="d/", count=2)
    assert unset.WhichOneof("response") == "get"
    assert unset.get == pb.TxnGetResponse()


async def test_an_unknown_comparison_counts_as_equal(raw: RawClient) -> None:
    await raw.put("k")
    payload = pb.TxnRequest(condition=[seq_is("k", 1)], if_then=[get_op("k")]).SerializeToString()
    odd = pb.TxnCondition(key="k", seq=1).SerializeToString() + b"\x20\x2a"  # expected = 42
    request = pb.TxnRequest(if_then=[get_op("k")])
    request.condition.append(pb.TxnCondition.FromString(odd))
    assert (await raw.transaction(request)).execution_path == "then"
    assert pb.TxnReply.FromString(await raw.bytes_call("Transaction", payload)).success


async def test_typed_reads(raw: RawClient) -> None:
    assert [item async for item in raw.stub.KvList(pb.KvListRequest(), metadata=raw.token)] == []
    for key in ("a", "b", "c"):
        await raw.put(key)

    async def listed(**fields: object) -> list[str]:
        replies = raw.stub.KvList(pb.KvListRequest(**fields), metadata=raw.token)  # type: ignore[arg-type]
        return [item.key async for item in replies]

    assert await listed() == ["a", "b", "c"]
    assert await listed(limit=0) == []
    assert await listed(limit=2) == ["a", "b"]
    assert await listed(prefix="b", limit=9) == ["b"]


async def test_a_list_longer_than_a_page_is_whole_and_may_be_cut(raw: RawClient) -> None:
    keys = [f"p/{n:04}" for n in range(1000)]
    await raw.transaction(pb.TxnRequest(if_then=[put_op(key) for key in keys]))
    replies = raw.stub.KvList(pb.KvListRequest(prefix="p/"), metadata=raw.token)
    assert [item.key async for item in replies] == keys
    replies = raw.stub.KvList(pb.KvListRequest(prefix="p/", limit=600), metadata=raw.token)
    assert [item.key async for item in replies] == keys[:600]


async def test_many_keys_are_answered_one_by_one_while_more_are_asked(raw: RawClient) -> None:
    await raw.put("a")
    call = raw.stub.KvGetMany(metadata=raw.token)
    for key in ("a", "b", "a"):
        await call.write(pb.KvGetManyRequest(key=key))
        item = await call.read()
        assert (item.key, item.HasField("value")) == (key, key == "a")
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
