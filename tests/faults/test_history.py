"""What is recorded of operations, in memory and in the file."""

from pathlib import Path

from diag.faults.history import History, Kind, Outcome, Seen, read_history


def test_nothing_was_asked(tmp_path: Path) -> None:
    with History(tmp_path / "history") as history:
        assert list(history.operations()) == []
    assert read_history([]) == []


def test_ends_and_times(tmp_path: Path) -> None:
    ticks = iter(range(100))
    with History(now=lambda: next(ticks)) as history:
        put = history.begin(1, "a", Kind.PUT, "k", value="v")
        get = history.begin(2, "b", Kind.GET, "k")
        put.ok(seq=7)
        get.ok(told=True, found=Seen("v", 7))
        history.begin(1, "a", Kind.DELETE, "k", expected=7).unknown("UNAVAILABLE")
        history.begin(2, "a", Kind.PUT, "k", value="w").fail("UNAUTHENTICATED")
    first, second, third, fourth = history.operations()
    assert (first.start, first.end, first.seq, first.outcome) == (0, 2, 7, Outcome.OK)
    assert (second.start, second.end, second.found) == (1, 3, Seen("v", 7))
    assert (third.start, third.end, third.expected, third.outcome) == (4, None, 7, Outcome.UNKNOWN)
    assert (fourth.outcome, fourth.why) == (Outcome.FAIL, "UNAUTHENTICATED")


def test_the_file_says_the_same_also_when_it_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "history"
    with History(path) as history:
        history.begin(1, "a", Kind.PUT, "k", value="v").ok(seq=1, told=True)
        history.begin(1, "a", Kind.GET, "k")
        operations = history.operations()
    lines = path.read_text().splitlines(keepends=True)
    assert read_history(lines) == operations
    assert read_history([*lines, '{"event": "en']) == operations
    assert operations[1].outcome is Outcome.UNKNOWN


def test_an_operation_reads_as_a_sentence() -> None:
    with History() as history:
        history.begin(3, "n1", Kind.PUT, "k", value="v", expected=4).ok(
            told=True, found=Seen("u", 5), applied=False
        )
    assert str(history.operations()[0]) == ("client 3 via n1: put k=v if seq 4 -> refused, found u seq 5")
