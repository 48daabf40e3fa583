"""The ledger's row: it comes back as it was, equal for equal contents."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import NewerFormat
from diag.replication.ledger import Ledger, Mark

IDS = st.integers(0, (1 << 64) - 1)
MARKS = st.builds(Mark, IDS, IDS, st.dictionaries(IDS, st.text(max_size=5), max_size=3))
LEDGERS = st.builds(
    Ledger,
    st.binary(max_size=8),
    IDS,
    IDS,
    st.dictionaries(IDS, st.tuples(st.binary(max_size=8), IDS), max_size=3),
    st.lists(MARKS, max_size=4),
)


def test_nothing_stored_is_the_beginning() -> None:
    assert Ledger.unpack(b"") == Ledger()
    assert Ledger.unpack(Ledger().pack()) == Ledger()


@given(LEDGERS)
def test_it_comes_back_as_it_was(ledger: Ledger) -> None:
    assert Ledger.unpack(ledger.pack()) == ledger


def test_the_order_of_events_does_not_show() -> None:
    one, two = Ledger(), Ledger()
    one.writers = {1: (b"a", 1), 2: (b"b", 2)}
    two.writers = {2: (b"b", 2), 1: (b"a", 1)}
    for ledger, order in ((one, (1, 2)), (two, (2, 1))):
        ledger.mark(5, 50)
        for node_id in order:
            ledger.report(node_id, 5, "hash")
    assert one.pack() == two.pack()


def test_the_newest_marks_are_kept_and_a_report_of_a_forgotten_one_is_nothing() -> None:
    ledger = Ledger()
    for index in range(1, 7):
        ledger.mark(index, 10 * index)
    assert [mark.index for mark in ledger.marks] == [3, 4, 5, 6]
    ledger.report(1, 2, "old")
    ledger.report(1, 6, "new")
    assert [mark.hashes for mark in ledger.marks] == [{}, {}, {}, {1: "new"}]


def test_a_newer_form_is_told() -> None:
    with pytest.raises(NewerFormat, match="update"):
        Ledger.unpack(msgpack.packb((2, "something else")))
