"""perf at work, by an event that it counts on every machine; instructions can be read on few."""

from pathlib import Path

import pytest

from diag.perf.gate import callgrind, perf_stat
from diag.perf.gate.counts import counter
from tests.perf.gate.repositories import PROJECT

_FAULTS = "page-faults:u"

needs_perf = pytest.mark.skipif(not perf_stat.works(_FAULTS), reason="perf counts nothing here")


def test_without_perf_nothing_is_counted_by_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not perf_stat.works()


@needs_perf
def test_no_such_event_is_not_counted() -> None:
    assert not perf_stat.works("no-such-event")


@needs_perf
def test_a_kernel_is_counted_between_its_marks_and_one_that_fails_says_why(tmp_path: Path) -> None:
    with perf_stat.Counting(["codec", "absent"], 0, PROJECT, tmp_path, _FAULTS) as counting:
        codec, absent = counting.counted()
    assert isinstance(codec, int)
    assert codec < 1_000, "the start of the process has more"
    assert "KeyError: 'absent'" in str(absent)


@pytest.mark.skipif(callgrind.missing() is not None, reason=callgrind.missing() or "")
def test_the_processor_counts_where_it_can_and_else_valgrind() -> None:
    assert counter() is (perf_stat.Counting if perf_stat.works() else callgrind.Counting)
