"""What is read back against what was promised."""

from diag.faults.audit import compare
from diag.faults.clients import Ledger


def test_nothing_was_promised_and_nothing_is_there() -> None:
    assert compare({}, Ledger()) == ([], [], [])


def test_unknown_writes_may_be_there_but_once() -> None:
    ledger = Ledger(acked={"p/once/1": "1", "p/put/1": "v"}, unknown={"p/once/2": "1", "p/put/2": "w"})
    kept = {"p/once/1": "1", "p/put/1": "v"}
    assert compare(kept, ledger) == ([], [], [])
    assert compare(kept | {"p/once/2": "1", "p/put/2": "w"}, ledger) == ([], [], [])
    assert compare(kept | {"p/once/2": "2"}, ledger).twice == ["p/once/2"]


def test_what_is_wrong() -> None:
    ledger = Ledger(acked={"p/once/1": "1", "p/put/1": "v"})
    assert compare({"p/once/1": "1"}, ledger).lost == ["p/put/1"]
    assert compare({"p/once/1": "3", "p/put/1": "v"}, ledger).twice == ["p/once/1"]
    assert compare({"p/once/1": "1", "p/put/1": "other"}, ledger).strange == ["p/put/1"]
    assert compare({"p/once/1": "1", "p/put/1": "v", "p/put/9": "w"}, ledger).strange == ["p/put/9"]
