"""Which function grew: pure cases, and real profiles of a head that was made worse in a known way."""

import random
import sys
from pathlib import Path

import pytest

from diag.perf.gate import inject, profiled
from diag.perf.gate.build import Builder
from diag.perf.gate.cause import Cause, Slice
from diag.perf.gate.sample import new_runner, prepare
from diag.perf.gate.source import Repository
from diag.perf.gate.station import Station
from flamegraph.profile import Profile
from tests.perf.gate.repositories import project

BALLAST = 64 << 20
Stacks = dict[str, int]


def cut(stacks: Stacks, cost: float) -> Slice:
    return Slice(Profile.from_stacks((stack.split(";"), weight) for stack, weight in stacks.items()), cost)


def test_no_profile_or_an_empty_one_says_nothing() -> None:
    some = cut({"main (a.py:1)": 9}, 1.0)
    for base, head in (([], []), ([some], []), ([cut({}, 1.0)], [some])):
        cause = Cause(base, head)
        assert not cause.known
        assert cause.growths() == []


def test_the_same_slices_twice_grew_nowhere() -> None:
    slices = [
        cut({"main (a.py:1);work (a.py:2)": 90 + number, "main (a.py:1)": 10}, 5.0) for number in range(6)
    ]
    assert Cause(slices, slices).growths() == []


def test_growth_is_in_points_of_what_a_unit_costs_base() -> None:
    base = [cut({"main (a.py:1);work (a.py:2)": 50, "main (a.py:1)": 50}, 200.0)] * 4
    head = [cut({"main (a.py:1);work (a.py:7)": 60, "main (a.py:1)": 50}, 220.0)] * 4
    (only,) = Cause(base, head).growths()
    assert only.name == "work (a.py)"
    assert only.points == pytest.approx(10.0)
    assert [only.base, only.head] == pytest.approx([50.0, 60.0])
    assert only.sure
    assert only.sentence("a request").startswith(
        "work (a.py) +10.0 points of a request (+10.0 to +10.0), of its own"
    )


def test_the_other_way_round_it_shrank() -> None:
    base = [cut({"main (a.py:1);work (a.py:2)": 50, "main (a.py:1)": 50}, 200.0)] * 4
    head = [cut({"main (a.py:1);work (a.py:7)": 60, "main (a.py:1)": 50}, 220.0)] * 4
    assert Cause(head, base).growths() == []


def test_what_slices_differ_by_is_not_sure() -> None:
    lot = random.Random(1)
    base, head = (
        [cut({"f (a.py:1)": lot.randint(20, 80), "g (a.py:1)": 100}, 150.0) for _ in range(8)]
        for _ in range(2)
    )
    assert not any(growth.sure and growth.points > 15 for growth in Cause(base, head).growths())


def test_many_small_ones_are_told_by_the_innermost_caller_of_most() -> None:
    before = {f"main (a.py:1);all (a.py:1);f{number} (b.py:1)": 10 for number in range(10)} | {
        "main (a.py:1)": 100
    }
    after = {stack: weight + (stack != "main (a.py:1)") for stack, weight in before.items()}
    first, *_ = sorted(
        Cause([cut(before, 200.0)] * 4, [cut(after, 210.0)] * 4).growths(), key=lambda g: not g.beneath
    )
    assert (first.name, first.beneath) == ("all (a.py)", True)
    assert first.points == pytest.approx(5.0)


def test_a_module_answers_for_its_imports_and_a_thread_for_nothing() -> None:
    place = "(<frozen importlib._bootstrap_external>:883)"
    wheel = f"exec_module {place};get_code {place}"
    base = [cut({"<module> (a.py:1)": 100, "thread (1): pool;f (a.py:1)": 10}, 110.0)] * 4
    head = [
        cut({"<module> (a.py:1)": 100, f"<module> (a.py:1);{wheel}": 30, "thread (2): pool": 30}, 160.0)
    ] * 4
    assert [growth.name for growth in Cause(base, head).growths()] == ["<module> (a.py)"]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Station, Station]:
    """Base, and a head that holds more and computes more when it is imported, and applies writes slower."""
    place = tmp_path_factory.mktemp("cause")
    repository = Repository(project(place / "project"))
    builder = Builder(repository, place / "cache", Path(sys.executable))
    base = builder.build(repository.working_tree())
    more = f"BALLAST = bytearray({BALLAST})\nsum(number for number in range(3_000_000))\n"
    node = place / "project/diag/node.py"
    node.write_text(node.read_text() + more)
    head = builder.build(repository.working_tree())
    with new_runner() as runner:
        stations = (
            Station("base", base, place / "base", None, {}),
            Station("head", head, place / "head", None, inject.environment("diag.kv.txn.transact:1")),
        )
        for station in stations:
            prepare(runner, station, sql=False)
    return stations


@pytest.mark.long
def test_memory_is_told_in_the_bytes_that_were_added(sides: tuple[Station, Station]) -> None:
    with new_runner() as runner:
        cause = Cause(*profiled.memory(runner, sides, [], 1, random.Random(0)))
    base, head = cause.profiles()
    first = cause.growths()[0]
    assert first.name == "<module> (diag/node.py)"
    assert head.total - base.total == pytest.approx(BALLAST, rel=0.01)
    # The sides' peaks are at different moments, between which the module holds a megabyte more.
    assert first.points / 100 * base.total == pytest.approx(BALLAST, rel=0.03)
    assert 20e6 < base.total < 200e6
    assert base.unit == head.unit == "bytes"


@pytest.mark.long
def test_a_boots_profile_names_the_module(sides: tuple[Station, Station]) -> None:
    growths = Cause(*profiled.boot(sides, 2, random.Random(0))).growths()
    assert "(diag/node.py)" in growths[0].name


@pytest.mark.long
def test_a_workloads_profile_names_the_function(sides: tuple[Station, Station]) -> None:
    with new_runner() as runner:
        taken = profiled.workload(runner, sides, "put", 3, 1.0, random.Random(0))
    assert Cause(*taken).growths()[0].name == "transact (diag/kv/txn.py)"


@pytest.mark.long
def test_imported_modules_are_told(sides: tuple[Station, Station]) -> None:
    found = profiled.imported(sides[0])
    assert {"diag", "lmdb", "sys"} <= found
