import json

import grpc
import pytest

from tests.rpc.harness import RawClient, RpcNode, refused

pytestmark = pytest.mark.anyio

INTERNAL = grpc.StatusCode.INTERNAL
INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOW = 1_700_000_000_000


async def upsert(raw: RawClient, key: str, **fields: object) -> dict[str, object]:
    body = {"key": key, "seq": {"GE": 0}, "value": {"Update": [1, 2]}, "value_meta": None} | fields
    reply: dict[str, object] = json.loads(await raw.kv_api(json.dumps({"UpsertKV": body})))
    return reply


async def test_reads_of_an_empty_store(raw: RawClient) -> None:
    assert await raw.read_v1('{"MGetKV":{"keys":[]}}') == []
    assert await raw.read_v1('{"ListKV":{"prefix":""}}') == []
    (item,) = await raw.read_v1('{"GetKV":{"key":"k"}}')
    assert (item.key, item.HasField("value")) == ("k", False)


async def test_insert_replace_delete(raw: RawClient) -> None:
    meta = {"proposed_at_ms": NOW}
    new = {"seq": 1, "meta": meta, "data": [1, 2]}
    assert await upsert(raw, "k") == {"ident": None, "prev": None, "result": new}
    replaced = {"seq": 2, "meta": meta, "data": []}
    assert await upsert(raw, "k", value={"Update": []}) == {"ident": None, "prev": new, "result": replaced}
    gone = await upsert(raw, "k", seq={"GE": 1}, value="Delete")
    assert gone == {"ident": None, "prev": replaced, "result": None}
    assert await upsert(raw, "k", seq="Any", value="Delete") == {"ident": None, "prev": None, "result": None}


async def test_a_condition_that_fails_changes_nothing(raw: RawClient) -> None:
    await upsert(raw, "k")
    reply = await upsert(raw, "k", seq={"Exact": 0}, value={"Update": [9]})
    assert reply["prev"] == reply["result"]
    assert reply["prev"] is not None


async def test_the_heartbeat_of_an_engine(node: RpcNode, raw: RawClient) -> None:
    ttl = {"expire_at": None, "ttl": {"millis": 60_000}}
    await upsert(raw, "k", seq={"Exact": 0}, value_meta=ttl)
    node.clock.now_ms += 30_000
    reply = await upsert(raw, "k", seq={"GE": 1}, value="AsIs", value_meta=ttl)
    assert reply["result"] == {
        "seq": 2,
        "meta": {"expire_at": NOW + 90_000, "proposed_at_ms": NOW + 30_000},
        "data": [1, 2],
    }
    node.clock.now_ms += 60_001
    (item,) = await raw.read_v1('{"MGetKV":{"keys":["k"]}}')
    assert not item.HasField("value")


async def test_reading_many_keeps_order_and_duplicates(raw: RawClient) -> None:
    await upsert(raw, "b")
    items = await raw.read_v1('{"MGetKV":{"keys":["b","a","b"]}}')
    assert [(item.key, item.value.seq) for item in items] == [("b", 1), ("a", 0), ("b", 1)]
    assert items[0].value.data == b"\x01\x02"
    assert items[0].value.meta.proposed_at_ms == NOW
    assert not items[0].value.meta.HasField("expire_at")


async def test_listing_is_by_bytes_and_by_plain_prefix(raw: RawClient) -> None:
    for key in ("a/b", "a", "a0", "ä", "b"):
        await upsert(raw, key)
    assert [item.key for item in await raw.read_v1('{"ListKV":{"prefix":"a"}}')] == ["a", "a/b", "a0"]
    every = await raw.read_v1('{"ListKV":{"prefix":""}}')
    assert [item.key for item in every] == ["a", "a/b", "a0", "b", "ä"]


async def test_the_reads_older_clients_send_to_kv_api(raw: RawClient) -> None:
    await upsert(raw, "a")
    found = {"seq": 1, "meta": {"proposed_at_ms": NOW}, "data": [1, 2]}
    assert json.loads(await raw.kv_api('{"GetKV":{"key":"a"}}')) == found
    assert json.loads(await raw.kv_api('{"GetKV":{"key":"b"}}')) is None
    assert json.loads(await raw.kv_api('{"MGetKV":{"keys":["b","a"]}}')) == [None, found]
    assert json.loads(await raw.kv_api('{"ListKV":{"prefix":""}}')) == [["a", found]]


BROKEN = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"Nope":{}}',
    '{"GetKV":{"key":"a"},"MGetKV":{}}',
    '{"GetKV":7}',
    '{"GetKV":{}}',
    '{"MGetKV":{"keys":"a"}}',
    '{"MGetKV":{"keys":[1]}}',
    '{"ListKV":{"prefix":null}}',
    '{"GetKV":{"key":"\\ud800"}}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
async def test_broken_json(raw: RawClient, text: str) -> None:
    code, why = await refused(raw.read_v1(text))
    assert code is INVALID
    assert why
    assert (await refused(raw.kv_api(text)))[0] is INTERNAL


@pytest.mark.parametrize(
    "field",
    [
        {"key": 1},
        {"seq": {"Exact": -1}},
        {"seq": {"LT": 1}},
        {"seq": {"GE": 1.5}},
        {"seq": {"GE": True}},
        {"seq": None},
        {"value": {"Update": [256]}},
        {"value": {"Update": ["a"]}},
        {"value": "Keep"},
        {"value_meta": 3},
        {"value_meta": {"ttl": 3}},
        {"value_meta": {"ttl": {}}},
        {"value_meta": {"expire_at": 2**64}},
    ],
    ids=str,
)
async def test_a_broken_upsert_names_the_field(raw: RawClient, field: dict[str, object]) -> None:
    body = {"key": "k", "seq": "Any", "value": "Delete", "value_meta": None} | field
    code, why = await refused(raw.kv_api(json.dumps({"UpsertKV": body})))
    assert code is INTERNAL
    assert f"UpsertKV.{next(iter(field))}" in why


async def test_keys_beyond_the_limit_are_refused_everywhere(raw: RawClient) -> None:
    key = "ä" * 2049
    for request in ({"GetKV": {"key": key}}, {"MGetKV": {"keys": ["a", key]}}, {"ListKV": {"prefix": key}}):
        code, why = await refused(raw.read_v1(json.dumps(request)))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "4096" in why
    assert (await refused(upsert(raw, key)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    await upsert(raw, "ä" * 2048)


async def test_a_reply_no_message_could_hold_is_refused_before_it_is_made(raw: RawClient) -> None:
    for key in ("a", "b"):
        await raw.put(key, b"v" * (5 << 20))
    code, why = await refused(raw.kv_api('{"ListKV":{"prefix":""}}'))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "KvReadV1" in why
