"""The state machine against a plain model, and each rule that has a number of its own."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from diag.errors import InvalidRequest, MessageTooLarge
from diag.kv.apply import KNOWN_FEATURES, apply, validate
from diag.kv.commands import (
    FOREVER,
    AsIs,
    Blank,
    Branch,
    Command,
    Compare,
    Delete,
    DeleteByPrefix,
    DeletedByPrefix,
    FetchIncrease,
    Get,
    Got,
    Increased,
    Lifetime,
    MatchSeq,
    NoTarget,
    Operation,
    Predicate,
    PrefixCountIs,
    Put,
    PutSequential,
    Reply,
    SeqIs,
    SetFeature,
    Transacted,
    Transaction,
    Upsert,
    Upserted,
    ValueIs,
    WasPut,
)
from diag.kv.expiry import is_expired
from diag.kv.records import Change, Record
from diag.kv.store import Store
from tests.kv.model import Model

NOW = 1_795_451_457_069
SECONDS = NOW // 1000

_keys = st.sampled_from(["", "a", "a/", "a/1", "a/2", "b", "b" * 600, "b" * 600 + "c", "n", "é"])
_seqs = st.integers(0, 40)
_data = st.sampled_from([b"", b"1", b"07", b"18446744073709551615", b"99999999999999999999", b"x"])
_some_seq = st.none() | _seqs
_lifetimes = st.just(FOREVER) | st.builds(
    Lifetime,
    st.none() | st.sampled_from([0, SECONDS - 5, SECONDS + 2, NOW + 1500, NOW - 1, 10**11, 2**64 - 1]),
    st.none() | st.sampled_from([0, 1, 900, 2**64 - 1]),
)
_operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Get, _keys),
    st.builds(Put, _keys, _data, _lifetimes, _some_seq),
    st.builds(Delete, _keys, _some_seq),
    st.builds(DeleteByPrefix, _keys),
    st.builds(FetchIncrease, _keys, st.integers(-(2**63), 2**63 - 1) | _seqs, _seqs, _some_seq),
    st.builds(PutSequential, _keys, _keys, _data, _lifetimes),
)
_compares = st.sampled_from(Compare)
_conditions = st.one_of(
    st.builds(SeqIs, _keys, _compares, _seqs),
    st.builds(ValueIs, _keys, _compares, _data),
    st.builds(PrefixCountIs, _keys, _compares, st.integers(0, 4)),
    st.builds(NoTarget, _keys),
)
_predicates: st.SearchStrategy[Predicate] = st.recursive(
    st.builds(Predicate, st.booleans(), st.just(()), st.lists(_conditions, max_size=2).map(tuple)),
    lambda inner: st.builds(
        Predicate,
        st.booleans(),
        st.lists(inner, max_size=2).map(tuple),
        st.lists(_conditions, max_size=2).map(tuple),
    ),
    max_leaves=4,
)
_branches = st.builds(Branch, st.none() | _predicates, st.lists(_operations, max_size=4).map(tuple))
_commands: st.SearchStrategy[Command] = st.one_of(
    st.just(Blank()),
    st.builds(
        Upsert,
        _keys,
        st.builds(MatchSeq, _some_seq, _some_seq),
        _data | st.none() | st.just(AsIs()),
        _lifetimes,
    ),
    st.builds(Transaction, st.lists(_branches, max_size=3).map(tuple)),
    st.builds(SetFeature, st.sampled_from(KNOWN_FEATURES), st.booleans()),
)


class AgainstTheModel(RuleBasedStateMachine):
    """Every command, at clocks that go forth and back."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.store = Store.open(Path(self.directory.name), sync=False)
        self.model = Model()

    @rule(command=_commands, offset=st.integers(-1000, 4000))
    def apply_one(self, command: Command, offset: int) -> None:
        validate(command)
        with self.store.write() as txn:
            assert apply(txn, command, NOW + offset) == self.model.apply(command, NOW + offset)

    @invariant()
    def holds_the_same(self) -> None:
        with self.store.read() as txn:
            ordered = sorted(self.model.records.items(), key=lambda item: item[0].encode())
            assert list(txn.scan()) == ordered
            assert txn.seq() == self.model.seq
            assert txn.features() == tuple(sorted(self.model.enabled))
            indexed = [record for _, record in ordered if record.expire_at is not None]
            assert txn.expire_count() == len(indexed)
            assert sorted(seq for _, seq, _ in txn.expiries()) == sorted(record.seq for record in indexed)

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()


TestAgainstTheModel: Any = AgainstTheModel.TestCase
TestAgainstTheModel.settings = settings(
    max_examples=60, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)


def _apply(store: Store, command: Command, now_ms: int = NOW) -> tuple[Reply, list[Change]]:
    validate(command)
    with store.write() as txn:
        return apply(txn, command, now_ms)


def _run(store: Store, *operations: Operation, now_ms: int = NOW) -> tuple[Any, ...]:
    reply, _ = _apply(store, Transaction((Branch(None, operations),)), now_ms)
    assert isinstance(reply, Transacted)
    return reply.responses


def _held(store: Store, predicate: Predicate) -> bool:
    reply, _ = _apply(store, Transaction((Branch(predicate, ()),)))
    assert isinstance(reply, Transacted)
    return reply.branch == 0


def test_a_transaction_of_nothing(store: Store) -> None:
    assert _apply(store, Transaction(())) == (Transacted(None, ()), [])
    assert _apply(store, Transaction((Branch(Predicate(), ()),))) == (Transacted(0, ()), [])


def test_the_first_seq_is_one_and_deletes_take_none(store: Store) -> None:
    (put,) = _run(store, Put("a", b"1"))
    assert put == WasPut("a", None, Record(1, b"1", None, NOW))
    _run(store, Delete("a"), Delete("absent"))
    (again,) = _run(store, Put("a", b"2"))
    assert again.current.seq == 2


def test_a_refused_upsert_takes_no_seq_and_answers_twice_what_is_there(store: Store) -> None:
    reply, changes = _apply(store, Upsert("a", MatchSeq(at_least=1), b"x"))
    assert (reply, changes) == (Upserted(None, None), [])
    _apply(store, Upsert("a", MatchSeq(exact=0), b"x"))
    there = Record(1, b"x", None, NOW)
    assert _apply(store, Upsert("a", MatchSeq(exact=0), b"y")) == (Upserted(there, there), [])
    with store.read() as txn:
        assert txn.seq() == 1


def test_as_is_renews_a_lifetime_and_skips_an_absent_key(store: Store) -> None:
    renew = Upsert("a", MatchSeq(at_least=0), AsIs(), Lifetime(ttl_ms=60_000))
    assert _apply(store, renew) == (Upserted(None, None), [])
    _apply(store, Upsert("a", MatchSeq(), b"x", Lifetime(ttl_ms=1000)))
    reply, _ = _apply(store, renew, NOW + 10)
    assert isinstance(reply, Upserted)
    assert reply.result == Record(2, b"x", NOW + 60_010, NOW + 10)


def test_expiry_is_strict_and_keeps_its_unit(store: Store) -> None:
    (put,) = _run(store, Put("lock", b"", Lifetime(expire_at=SECONDS + 15)))
    assert put.current.expire_at == SECONDS + 15
    moment = (SECONDS + 15) * 1000
    assert _run(store, Get("lock"), now_ms=moment) == (Got("lock", put.current),)
    assert not is_expired(put.current, moment)
    assert is_expired(put.current, moment + 1)
    assert _run(store, Get("lock"), now_ms=moment + 1) == (Got("lock", None),)


def test_what_expired_is_deleted_in_order_before_the_entry(store: Store) -> None:
    _run(store, Put("late", b"", Lifetime(ttl_ms=9)), Put("first", b"", Lifetime(ttl_ms=5)))
    _run(store, Put("second", b"", Lifetime(ttl_ms=5)), Put("stays", b""))
    _, changes = _apply(store, Upsert("new", MatchSeq(), b""), NOW + 10)
    assert [(change.key, change.current is None) for change in changes] == [
        ("first", True),
        ("second", True),
        ("late", True),
        ("new", False),
    ]


def test_a_record_written_expired_takes_a_seq_and_tells_nobody(store: Store) -> None:
    past = Lifetime(expire_at=SECONDS - 10)
    assert _apply(store, Upsert("a", MatchSeq(), b"x", past)) == (Upserted(None, None), [])
    _run(store, Put("a", b"kept"))
    reply, changes = _apply(store, Upsert("a", MatchSeq(), b"x", past))
    kept = Record(2, b"kept", None, NOW)
    assert (reply, changes) == (Upserted(kept, None), [Change("a", kept, None)])


def test_a_clock_that_goes_back_does_not_take_the_log_with_it(store: Store) -> None:
    _run(store, Put("a", b""), now_ms=NOW)
    (put,) = _run(store, Put("a", b"", Lifetime(ttl_ms=5)), now_ms=NOW - 100_000)
    assert (put.current.proposed_at_ms, put.current.expire_at) == (NOW, NOW + 5)


def test_overwriting_clears_the_expiry(store: Store) -> None:
    _run(store, Put("a", b"", Lifetime(ttl_ms=5)), Put("a", b"kept"))
    (got,) = _run(store, Get("a"), now_ms=NOW + 100)
    assert got.value.data == b"kept"


@pytest.mark.parametrize("compare", Compare)
def test_a_value_condition_on_an_absent_key_is_false(store: Store, compare: Compare) -> None:
    assert not _held(store, Predicate(conditions=(ValueIs("absent", compare, b""),)))


def test_empty_expressions_hold(store: Store) -> None:
    assert _held(store, Predicate(any_of=False))
    assert _held(store, Predicate(any_of=True))
    assert not _held(store, Predicate(any_of=True, conditions=(NoTarget("a"),)))
    assert _held(store, Predicate(any_of=True, predicates=(Predicate(),), conditions=(NoTarget("a"),)))


def test_conditions_see_the_state_before(store: Store) -> None:
    reply, _ = _apply(
        store,
        Transaction(
            (
                Branch(Predicate(conditions=(SeqIs("a", Compare.GT, 0),)), (Get("a"),)),
                Branch(Predicate(conditions=(SeqIs("a", Compare.EQ, 0),)), (Put("a", b"1"), Get("a"))),
                Branch(None, (Delete("a"),)),
            )
        ),
    )
    assert isinstance(reply, Transacted)
    assert reply.branch == 1
    assert reply.responses[1] == Got("a", Record(1, b"1", None, NOW))


def test_fetch_increase_as_captured_from_the_wire(store: Store) -> None:
    first, second, third = _run(
        store, FetchIncrease("n", 5), FetchIncrease("n", -9), FetchIncrease("n", 1, max_value=7)
    )
    assert first == Increased("n", 0, 0, 1, 5)
    assert second == Increased("n", 1, 5, 2, 0)
    assert third == Increased("n", 2, 0, 3, 8)
    (refused,) = _run(store, FetchIncrease("n", 1, match_seq=9))
    assert refused == Increased("n", 3, 8, 3, 8)
    _, top = _run(store, Put("n", b"%d" % (2**64 - 1)), FetchIncrease("n", 1))
    assert top.after == 2**64 - 1


def test_put_sequential_counts_from_zero_and_takes_two_seqs(store: Store) -> None:
    first, second = _run(store, PutSequential("sq/", "counter", b"x"), PutSequential("sq/", "counter", b"y"))
    assert first.key == "sq/000_000_000_000_000_000_000"
    assert second.key == "sq/000_000_000_000_000_000_001"
    with store.read() as txn:
        assert txn.seq() == 4


def test_delete_by_prefix_tells_once_a_key(store: Store) -> None:
    _run(store, Put("p/1", b""), Put("p/2", b""), Put("q", b""))
    reply, changes = _apply(store, Transaction((Branch(None, (DeleteByPrefix("p/"),)),)))
    assert reply == Transacted(0, (DeletedByPrefix("p/", 2),))
    assert [change.key for change in changes] == ["p/1", "p/2"]


def test_a_key_changed_twice_is_told_once(store: Store) -> None:
    _, changes = _apply(store, Transaction((Branch(None, (Put("a", b"1"), Put("a", b"2"))),)))
    assert changes == [Change("a", None, Record(2, b"2", None, NOW))]
    _, changes = _apply(store, Transaction((Branch(None, (Put("b", b"1"), Delete("b"))),)))
    assert changes == []


@pytest.mark.parametrize(
    "command",
    [
        Upsert("k" * 4097, MatchSeq(), b""),
        Upsert("é" * 2049, MatchSeq(), b""),
        Transaction((Branch(None, (PutSequential("p" * 4070, "n", b""),)),)),
        Transaction((Branch(Predicate(conditions=(SeqIs("k" * 4097, Compare.EQ, 0),)), ()),)),
    ],
)
def test_keys_beyond_the_limit_are_refused(command: Command) -> None:
    with pytest.raises(MessageTooLarge, match="at most"):
        validate(command)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (SetFeature("unknown", True), "known ones are dummy, dummy_feature2"),
        (Upsert("\ud800", MatchSeq(), b""), "not valid Unicode"),
        (Upsert("a", MatchSeq(), b"", Lifetime(expire_at=2**64)), "outside"),
        (Upsert("a", MatchSeq(), b"", Lifetime(ttl_ms=-1)), "outside"),
    ],
)
def test_what_the_log_must_not_carry_is_refused(command: Command, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        validate(command)
