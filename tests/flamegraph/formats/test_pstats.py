import cProfile
import io
import marshal
import profile as slow_profile
import pstats
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import InputError, Profile
from flamegraph.formats import read
from flamegraph.formats.pstats import MOST_FRAMES

Table = dict[tuple[str, int, str], tuple[int, int, float, float, dict[Any, Any]]]


def parsed(table: Any) -> Profile:
    return read(io.BytesIO(marshal.dumps(table)), format="pstats")


def stacks(table: Table) -> dict[tuple[str, ...], float]:
    return dict(parsed(table).stacks())


def function(name: str) -> tuple[str, int, str]:
    return "m.py", 1, name


def graph(edges: dict[tuple[str, str], tuple[float, float]], roots: dict[str, tuple[float, float]]) -> Table:
    """Statistics of calls, each with its own time and its whole time, in seconds."""
    names = sorted({name for edge in edges for name in edge} | set(roots))
    called_by: defaultdict[str, dict[tuple[str, int, str], tuple[int, int, float, float]]] = defaultdict(dict)
    for (caller, callee), spent in edges.items():
        called_by[callee][function(caller)] = (1, 1, *spent)
    table: Table = {}
    for name in names:
        callers = called_by[name]
        times = [(own, whole) for _, _, own, whole in callers.values()] + [roots.get(name, (0.0, 0.0))]
        own, whole = (sum(column) for column in zip(*times, strict=True))
        table[function(name)] = (1, 1, own, whole, callers)
    return table


def text(*names: str) -> tuple[str, ...]:
    return tuple(f"{name.removesuffix('_[g]')} (m.py:1){'_[g]' * name.endswith('_[g]')}" for name in names)


def leaf() -> int:
    return sum(range(2000))


def left() -> int:
    return leaf() + leaf()


def right(depth: int = 5) -> int:
    return leaf() + (right(depth - 1) if depth else 0)


def work() -> int:
    return left() + right()


def test_no_functions_are_an_empty_profile() -> None:
    assert parsed({}).total == 0


@pytest.mark.parametrize("profiler", [cProfile.Profile, slow_profile.Profile])
def test_all_time_of_a_run_is_kept(profiler: Callable[[], cProfile.Profile], tmp_path: Path) -> None:
    path = tmp_path / "run.pstats"
    run = profiler()
    run.runcall(work)
    run.dump_stats(path)
    profile = read(path)
    expected = sum(entry[2] for entry in pstats.Stats(str(path)).stats.values()) * 1e6  # type: ignore[attr-defined]
    assert profile.unit == "microseconds"
    assert profile.total == pytest.approx(expected, abs=0.01)
    assert any(
        "left (" in frames[-2] and "leaf (" in frames[-1] for frames, _ in profile.stacks() if frames[1:]
    )


def test_one_way_in_is_measured() -> None:
    table = graph({("a", "b"): (2, 3), ("b", "c"): (1, 1)}, {"a": (4, 7)})
    assert stacks(table) == {text("a"): 4e6, text("a", "b"): 2e6, text("a", "b", "c"): 1e6}
    assert parsed(table).metadata == {}


def test_two_ways_in_are_split_in_proportion_and_marked() -> None:
    table = graph(
        {
            ("a", "b"): (1, 2),
            ("a", "c"): (1, 4),
            ("b", "s"): (0.5, 1),
            ("c", "s"): (1, 3),
            ("s", "t"): (2, 2),
        },
        {"a": (0, 6)},
    )
    assert stacks(table) == {
        text("a", "b"): 1e6,
        text("a", "c"): 1e6,
        text("a", "b", "s"): 0.5e6,
        text("a", "c", "s"): 1e6,
        text("a", "b", "s", "t_[g]"): 0.5e6,
        text("a", "c", "s", "t_[g]"): 1.5e6,
    }
    assert parsed(table).metadata == {"guessed": "2 of 7 frames, marked _[g]"}


def test_circles_end_where_they_close() -> None:
    table = graph({("a", "b"): (1, 5), ("b", "c"): (2, 4), ("c", "b"): (4, 4)}, {"a": (0, 5)})
    assert stacks(table) == {
        text("a", "b"): 1e6,
        text("a", "b", "c"): 2e6,
        text("a", "b", "c", "b"): 4e6,
    }


def test_a_circle_that_nothing_leads_into_is_kept() -> None:
    assert parsed(graph({("a", "b"): (1, 1), ("b", "a"): (2, 3)}, {})).total == 3e6


def test_builtins_have_no_place() -> None:
    assert stacks({("~", 0, "<built-in method len>"): (1, 1, 1.0, 1.0, {})}) == {
        ("<built-in method len>",): 1e6
    }


def test_the_number_of_ways_is_bounded() -> None:
    edges: dict[tuple[str, str], tuple[float, float]] = {}
    for level in range(30):
        for side in "xy":
            edges |= {(f"{level}{side}", f"{level + 1}{other}"): (1.0, 61.0 - 2 * level) for other in "xy"}
    table = graph(edges, {"0x": (1.0, 61.0), "0y": (1.0, 61.0)})
    profile = parsed(table)
    assert len(profile) < 2 * MOST_FRAMES + 10
    assert profile.total == pytest.approx(122e6, rel=1e-6)
    assert any(frames[-1] == "[not split further]" for frames, _ in profile.stacks())


def test_deep_chains_need_no_call_stack() -> None:
    edges = {(f"f{at}", f"f{at + 1}"): (1.0, 20_000.0 - at) for at in range(20_000)}
    assert parsed(graph(edges, {"f0": (0, 20_000.0)})).total == 20_000e6


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ((1, 2), "no table of functions"),
        ({1: 2}, "no function"),
        ({function("f"): (1, 1, 1.0, 1.0)}, "not five values"),
        ({function("f"): (1, 1, 1.0, 1.0, 1)}, "not five values"),
        ({function("f"): (1, 1, -1.0, 1.0, {})}, "not two numbers"),
        ({function("f"): (1, 1, float("nan"), 1.0, {})}, "not two numbers"),
        ({function("f"): (1, 1, 1.0, float("inf"), {})}, "not two numbers"),
        ({function("f"): (1, 1, 1.0, 1.0, {"g": 1})}, "no function"),
        ({function("f"): (1, 1, 1.0, 1.0, {function("g"): (1,)})}, "not two numbers"),
    ],
)
def test_what_is_wrong_is_named(table: Any, what: str) -> None:
    with pytest.raises(InputError, match=what):
        parsed(table)


weights = st.floats(0, 10)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), st.tuples(weights, weights)
    ),
    st.dictionaries(st.sampled_from("abcde"), st.tuples(weights, weights)),
)
def test_time_is_kept_in_any_graph(
    edges: dict[tuple[str, str], tuple[float, float]], roots: dict[str, tuple[float, float]]
) -> None:
    table = graph(edges, roots)
    expected = sum(entry[2] for entry in table.values()) * 1e6
    assert parsed(table).total == pytest.approx(expected, rel=1e-6, abs=1)


@given(st.data())
def test_damaged_statistics_are_read_or_refused(data: st.DataObject) -> None:
    whole = marshal.dumps(graph({("a", "b"): (1, 2), ("b", "c"): (1, 1), ("c", "b"): (1, 1)}, {"a": (1, 3)}))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InputError):
        read(io.BytesIO(bytes(damaged)), format="pstats")
