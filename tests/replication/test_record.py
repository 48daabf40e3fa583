"""The log's bytes: every command comes back as it was, and nothing else is taken for a record."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import Damaged, InvalidRequest
from diag.kv.commands import (
    AsIs,
    Blank,
    Branch,
    Compare,
    Delete,
    DeleteByPrefix,
    FetchIncrease,
    Get,
    Lifetime,
    MatchSeq,
    NoTarget,
    Predicate,
    PrefixCountIs,
    Put,
    PutSequential,
    SeqIs,
    SetFeature,
    Transaction,
    Upsert,
    ValueIs,
)
from diag.replication.record import (
    Author,
    BeginSnapshot,
    Enter,
    LogCommand,
    ReportSnapshot,
    decode,
    encode,
    encode_command,
)

AUTHOR = Author(3, b"12345678", 7)

U64 = st.integers(0, (1 << 64) - 1)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LIVES = st.builds(Lifetime, st.none() | U64, st.none() | U64)
OPERATIONS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Get, KEYS),
    st.builds(Put, KEYS, st.binary(max_size=8), LIVES, st.none() | U64),
    st.builds(Delete, KEYS, st.none() | U64),
    st.builds(DeleteByPrefix, KEYS),
    st.builds(FetchIncrease, KEYS, st.integers(-(1 << 63), (1 << 63) - 1), U64, st.none() | U64),
    st.builds(PutSequential, KEYS, KEYS, st.binary(max_size=8), LIVES),
)
COMPARE = st.sampled_from(Compare)
CONDITIONS: st.SearchStrategy[Any] = st.one_of(
    st.builds(SeqIs, KEYS, COMPARE, U64),
    st.builds(ValueIs, KEYS, COMPARE, st.binary(max_size=8)),
    st.builds(PrefixCountIs, KEYS, COMPARE, U64),
    st.builds(NoTarget, KEYS),
)
PREDICATES: st.SearchStrategy[Any] = st.recursive(
    st.builds(Predicate, st.booleans(), st.just(()), st.lists(CONDITIONS, max_size=3).map(tuple)),
    lambda inner: st.builds(
        Predicate,
        st.booleans(),
        st.lists(inner, max_size=2).map(tuple),
        st.lists(CONDITIONS, max_size=2).map(tuple),
    ),
    max_leaves=6,
)
BRANCHES = st.builds(Branch, st.none() | PREDICATES, st.lists(OPERATIONS, max_size=3).map(tuple))
COMMANDS: st.SearchStrategy[LogCommand] = st.one_of(
    st.builds(
        Upsert,
        KEYS,
        st.builds(MatchSeq, st.none() | U64, st.none() | U64),
        st.none() | st.binary(max_size=8) | st.builds(AsIs),
        LIVES,
    ),
    st.builds(Transaction, st.lists(BRANCHES, max_size=3).map(tuple)),
    st.builds(SetFeature, KEYS, st.booleans()),
    st.builds(Blank),
    st.builds(Enter, st.binary(max_size=8)),
    st.builds(BeginSnapshot),
    st.builds(ReportSnapshot, U64, KEYS),
)


def _record(*commands: LogCommand) -> bytes:
    return encode(AUTHOR, 1_795_451_457_069, 4, 2, [encode_command(command) for command in commands])


def test_a_record_without_commands() -> None:
    record = decode(_record())
    assert record.author == AUTHOR
    assert (record.time_ms, record.term, record.leader) == (1_795_451_457_069, 4, 2)
    assert list(record.commands) == []


@given(st.lists(COMMANDS, max_size=4))
def test_every_command_comes_back_as_it_was(commands: list[LogCommand]) -> None:
    found = decode(_record(*commands)).commands
    assert list(found) == commands
    assert list(map(_shape, found)) == list(map(_shape, commands))


def _shape(value: Any) -> Any:
    """Types, all the way down: tuples of different names compare equal."""
    inner = tuple(map(_shape, value)) if isinstance(value, tuple) else ()
    return type(value), inner


def test_a_damaged_record_is_told() -> None:
    whole = _record(Upsert("a", MatchSeq(), b"v"))
    for place in range(len(whole)):
        damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises(Damaged):
            decode(damaged)
    for length in range(len(whole)):
        with pytest.raises(Damaged):
            decode(whole[:length])


def test_a_command_of_a_newer_program_is_told() -> None:
    for command in (b"\x91\x7f", b"\x92\x0a\x01", b"\x7f", b"\x90"):  # number 127, a wrong shape, none at all
        newer = encode(AUTHOR, 0, 0, 0, [command])
        with pytest.raises(Damaged, match="newer program"):
            decode(newer)


def _nested(depth: int) -> Transaction:
    deep = Predicate(True, (), ())
    for _ in range(depth):
        deep = Predicate(True, (deep,), ())
    return Transaction((Branch(deep, ()),))


def test_what_can_be_written_can_be_read_however_deep() -> None:
    for depth in (0, 1, 50, 100, 120):
        assert list(decode(_record(_nested(depth))).commands) == [_nested(depth)]
    for depth in (130, 200, 450):
        with pytest.raises(InvalidRequest, match="too deeply"):
            encode_command(_nested(depth))
