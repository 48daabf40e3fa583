"""The state machine: each record counts once, in order, and alike on every node however it is cut."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diag.errors import Damaged, MetaError, NoSpace, Unavailable
from diag.kv.commands import Blank, Branch, Lifetime, MatchSeq, Put, Transaction, Upsert, Upserted
from diag.kv.digest import hash_content
from diag.kv.state import Position
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.kv.writing import WriteTxn
from diag.replication.machine import Machine, Outcome
from diag.replication.record import (
    Author,
    BeginSnapshot,
    Enter,
    LogCommand,
    ReportSnapshot,
    encode,
    encode_command,
)
from diag.replication.source import Entry

NOW = 1_795_451_457_069
LONG = "long/" * 200


class Writer:
    """A process that writes for a node, and the log it writes to."""

    def __init__(self, entries: list[Entry], node_id: int = 1, name: bytes = b"process1") -> None:
        self.entries = entries
        self.author = Author(node_id, name, 0)

    def write(self, *commands: LogCommand, term: int = 1, now: int = NOW) -> Entry:
        """The next record."""
        self.author = self.author._replace(number=self.author.number + 1)
        return self.again(*commands, term=term, now=now)

    def again(self, *commands: LogCommand, term: int = 1, now: int = NOW) -> Entry:
        """A record of the same number."""
        record = encode(self.author, now, term, 1, [encode_command(command) for command in commands])
        version = len(self.entries) + 1
        self.entries.append(Entry(version, 10 + 2 * version, record))
        return self.entries[-1]


def put(key: str, value: bytes = b"v", ttl_ms: int | None = None) -> Upsert:
    return Upsert(key, MatchSeq(), value, Lifetime(None, ttl_ms))


def broken(*before: Put) -> Transaction:
    wrong: Any = Put("broken", 5)  # type: ignore[arg-type]  # on purpose
    return Transaction((Branch(None, (*before, wrong)),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store", sync=False) as made:
        yield made


def content(store: Store) -> str:
    with store.read() as txn:
        return hash_content(txn)


def apply_all(machine: Machine, entries: Sequence[Entry], step: int = 1 << 30) -> list[Outcome]:
    """As the applier does, at most ``step`` entries together. Pins are released."""
    outcomes: list[Outcome] = []
    while entries:
        some, _ = machine.apply(entries[:step])
        outcomes += some
        entries = entries[len(some) :]
    for outcome in outcomes:
        if outcome.snapshot is not None:
            outcome.snapshot.release()
    return outcomes


def test_nothing_applied(store: Store) -> None:
    figures = Machine(store, b"cluster1").figures()
    assert (figures.applied, figures.seq, figures.key_count) == (Position(), 0, 0)
    assert (figures.ledger.version, figures.ledger.cluster) == (0, b"")


def test_records_in_order(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.write(put("a"), put("b"))
    outcomes, figures = Machine(store, b"cluster1").apply(writer.entries)
    assert [outcome.last.index for outcome in outcomes] == [1, 3]
    assert all(outcome.taken for outcome in outcomes)
    assert (figures.applied, figures.seq, figures.key_count) == (Position(1, 1, 3), 2, 2)
    assert (figures.ledger.version, figures.ledger.revision) == (2, 14)
    assert figures.ledger.cluster == b"cluster1"
    assert figures == Machine(store, b"cluster1").figures()


def test_what_arrives_twice_counts_once(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.again(Enter(b""))
    for _ in range(3):
        writer.write(put("a"))
        writer.again(put("a"))
    outcomes = apply_all(Machine(store), writer.entries)
    assert [outcome.taken for outcome in outcomes] == [True, False] * 4
    assert Machine(store).figures().seq == 3


def test_a_record_after_a_gap_counts_for_nothing(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.author = writer.author._replace(number=2)
    writer.write(put("a"))
    assert [outcome.taken for outcome in apply_all(Machine(store), writer.entries)] == [True, False]


def test_a_process_replaced_counts_no_more_nor_comes_back(store: Store) -> None:
    old = Writer([])
    new = Writer(old.entries, name=b"process2")
    other = Writer(old.entries, 2, b"process3")
    old.write(Enter(b""))
    other.write(Enter(b""))
    new.write(Enter(b"process1"))
    old.write(put("old"))
    new.write(put("new"))
    other.write(put("other"))
    old.author = old.author._replace(number=1)
    old.again(Enter(b""))
    Writer(old.entries, name=b"process4").write(Enter(b"process1"))
    taken = [outcome.taken for outcome in apply_all(Machine(store), old.entries)]
    assert taken == [True, True, True, False, True, True, False, False]


def test_who_never_entered_counts_for_nothing(store: Store) -> None:
    writer = Writer([])
    writer.write(put("a"))
    writer.write()
    assert not any(outcome.taken for outcome in apply_all(Machine(store), writer.entries))


def test_terms_never_go_back(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""), term=7)
    writer.write(put("a"), term=3)
    assert [outcome.last.term for outcome in apply_all(Machine(store), writer.entries)] == [7, 7]


def test_a_command_that_breaks_is_undone_alone(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.write(put("a"), broken(Put("half", b"v")), put(LONG, ttl_ms=10))
    writer.write(put("b"))
    outcomes = apply_all(Machine(store), writer.entries)
    results = outcomes[1].results
    assert [isinstance(result, MetaError) for result in results] == [False, True, False]
    assert isinstance(results[1], Unavailable)
    keys = [key for key, _ in Reader(store).page("", None, 9, NOW).records]
    assert keys == ["a", "b", LONG]
    assert outcomes[-1].last.index == 5
    assert Machine(store).figures().seq == 3


KEYS = st.sampled_from(["a", "b", LONG, LONG + "x"])
COMMANDS = st.lists(
    st.one_of(
        st.builds(
            put, st.sampled_from(["a", "b", LONG, LONG + "x"]), st.just(b"v"), st.sampled_from([None, 5])
        ),
        st.builds(Upsert, KEYS, st.just(MatchSeq()), st.none(), st.just(Lifetime())),
        st.just(broken(Put("a", b"half"), Put(LONG + "y", b"half", Lifetime(None, 1)))),
        st.just(BeginSnapshot()),
        st.just(Blank()),
        st.builds(ReportSnapshot, st.integers(0, 20), st.just("hash")),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(COMMANDS, max_size=8), step=st.integers(1, 4))
def test_how_the_entries_are_cut_makes_no_difference(
    records: list[list[Any]], step: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    for number, commands in enumerate(records):
        writer.write(*commands, now=NOW + 3 * number)
    place = tmp_path_factory.mktemp("cut")
    with Store.open(place / "1", sync=False) as one, Store.open(place / "2", sync=False) as two:
        together = apply_all(Machine(one), writer.entries)
        cut = apply_all(Machine(two), writer.entries, step)
        assert content(one) == content(two)
        assert list(map(_shown, together)) == list(map(_shown, cut))


def _shown(outcome: Outcome) -> object:
    results = [str(result) if isinstance(result, MetaError) else result for result in outcome.results]
    return outcome.author, outcome.taken, outcome.last, results


def test_a_snapshot_command_ends_a_transaction_and_its_place_is_the_records_end(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.write(put("a"), BeginSnapshot(), put("b"), BeginSnapshot())
    writer.write(put("c"))
    outcomes, figures = Machine(store).apply(writer.entries)
    assert len(outcomes) == 2
    pin = outcomes[1].snapshot
    assert pin is not None
    pin.release()
    assert [(mark.index, mark.revision) for mark in figures.ledger.marks] == [(5, 14)]
    writer.write(ReportSnapshot(5, "hash"))
    apply_all(Machine(store), writer.entries[2:])
    assert Machine(store).figures().ledger.marks[0].hashes == {1: "hash"}


def test_a_snapshot_command_that_does_not_count_is_none(store: Store) -> None:
    writer = Writer([])
    writer.write(BeginSnapshot())
    outcomes, figures = Machine(store).apply(writer.entries)
    assert outcomes[0].snapshot is None
    assert figures.ledger.marks == []


def test_a_disk_that_refuses_applies_nothing(tmp_path: Path) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.write(put("a"))
    writer.write(put("large", b"v" * (2 << 20)))
    with Store.open(tmp_path / "small", map_size=1 << 20) as small:
        with pytest.raises(NoSpace):
            Machine(small).apply(writer.entries)
        assert Machine(small).figures().ledger.version == 0
        apply_all(Machine(small), writer.entries[:2])
        assert Machine(small).figures().key_count == 1


def test_a_disk_that_refuses_is_no_fault_of_the_command_amid_one_that_breaks(tmp_path: Path) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.write(broken(), put("large", b"v" * (2 << 20)))
    with Store.open(tmp_path / "small", map_size=1 << 20) as small:
        with pytest.raises(NoSpace):
            Machine(small).apply(writer.entries)
        assert Machine(small).figures().ledger.version == 0


def test_what_is_no_record_is_told(store: Store) -> None:
    with pytest.raises(Damaged, match="another program"):
        Machine(store).apply([Entry(1, 10, b"hello")])
    assert Machine(store).figures().ledger.version == 0


def test_an_attempt_undoes_long_keys_and_expiries(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.write(put(LONG + "1", ttl_ms=5), put("a", ttl_ms=50))
    apply_all(Machine(store), writer.entries)
    before = content(store)
    with store.write() as txn:
        _attempt(txn)
    assert content(store) == before


def _attempt(txn: WriteTxn) -> None:
    with contextlib.suppress(ZeroDivisionError), txn.attempt() as inner:
        found = inner.get("a")
        assert found is not None
        inner.put(LONG + "2", found)
        inner.delete(LONG + "1")
        inner.index_expiry(1, 1, LONG + "2")
        inner.advance_log_time(NOW * 2)
        _ = 1 // 0


def test_replies(store: Store) -> None:
    writer = Writer([])
    writer.write(Enter(b""))
    writer.write(put("a"))
    result = apply_all(Machine(store), writer.entries)[1].results[0]
    assert not isinstance(result, MetaError)
    assert isinstance(result[0], Upserted)
    assert result[1][0].key == "a"
