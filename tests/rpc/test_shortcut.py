"""Reads answered where they arrive: the same answers, the same counts, and a handler for the rest."""

from pathlib import Path

import pytest

from diag.kv.apply import apply
from diag.kv.commands import Branch, Put, Transaction
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.metrics.registry import Metrics
from diag.rpc.auth import PROTOCOL_VERSION, TOKEN_KEY, HandshakeAuth
from diag.rpc.shortcut import MOST_BYTES, MOST_RECORDS, ShortReads
from diag.rpc.stubs import auth_pb2
from diag.rpc.stubs import meta_pb2 as pb


class Parts:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.metrics = Metrics()
        self.auth = HandshakeAuth()
        credentials = auth_pb2.BasicAuth(username="root").SerializeToString()
        request = pb.HandshakeRequest(protocol_version=PROTOCOL_VERSION, payload=credentials)
        self.metadata = ((TOKEN_KEY, self.auth.handshake(request).payload),)
        self.auth.check(self.metadata)
        self.short = ShortReads(Reader(store), self.auth, self.metrics, lambda: 1000)

    def put(self, *keys: str, value: bytes = b"v") -> None:
        with self.store.write() as txn:
            apply(txn, Transaction((Branch(None, tuple(Put(key, value) for key in keys)),)), 1000)

    def ask(self, text: str) -> list[pb.StreamItem] | None:
        messages = self.short.answer(pb.RaftRequest(data=text).SerializeToString(), self.metadata)
        return None if messages is None else [pb.StreamItem.FromString(message) for message in messages]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(Store.open(tmp_path / "store"))


def test_an_empty_store_answers_absent_and_nothing(parts: Parts) -> None:
    assert parts.ask('{"MGetKV":{"keys":[]}}') == []
    assert parts.ask('{"ListKV":{"prefix":""}}') == []
    assert parts.ask('{"GetKV":{"key":"a"}}') == [pb.StreamItem(key="a")]


def test_records_come_in_the_order_asked_for(parts: Parts) -> None:
    parts.put("a", "b")
    items = parts.ask('{"MGetKV":{"keys":["b","none","a","b"]}}')
    assert items is not None
    assert [(item.key, item.value.seq) for item in items] == [("b", 2), ("none", 0), ("a", 1), ("b", 2)]


def test_what_is_long_wrong_or_unknown_is_left_to_a_handler(parts: Parts) -> None:
    parts.put(*(f"k{number:03}" for number in range(MOST_RECORDS + 1)))
    assert parts.ask('{"ListKV":{"prefix":"k"}}') is None
    assert parts.ask('{"ListKV":{"prefix":"k00"}}') is not None
    assert parts.ask('{"GetKV":{"key":"' + "k" * 5000 + '"}}') is None
    assert parts.ask('{"ListKV":{"prefix":"' + "k" * 5000 + '"}}') is None
    assert parts.ask('{"Nonsense":{}}') is None
    assert parts.short.answer(b"\xff\xff", parts.metadata) is None
    parts.put("large", value=b"v" * (MOST_BYTES + 1))
    assert parts.ask('{"GetKV":{"key":"large"}}') is None


def test_a_token_not_seen_before_is_left_to_a_handler(parts: Parts) -> None:
    request = pb.RaftRequest(data='{"GetKV":{"key":"a"}}').SerializeToString()
    assert parts.short.answer(request, ()) is None
    assert parts.short.answer(request, ((TOKEN_KEY, b"forged"),)) is None
    parts.auth.revoke_all()
    assert parts.short.answer(request, parts.metadata) is None


def test_answers_are_counted(parts: Parts) -> None:
    for _ in range(300):
        parts.ask('{"MGetKV":{"keys":["a","b"]}}')
    parts.metrics.fold()
    assert parts.metrics.req_success == 300
    assert parts.metrics.stream_items_sent["mget"] == 600
    assert parts.metrics.req_inflights == 0
    assert parts.metrics.delay_summary.count == 300
