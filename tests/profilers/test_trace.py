import asyncio
import sys
from xml.etree import ElementTree

import pytest

from diag.errors import ProfilerBusy
from diag.profilers.calltrace import Stats, flameprof_svg
from diag.profilers.requests import TraceRequest
from diag.profilers.trace import fold_stats, trace
from tests.profilers.conftest import Start, shares, weights, work_shares

pytestmark = pytest.mark.alone


def test_no_calls_fold_to_nothing() -> None:
    assert fold_stats({}) == {}
    assert flameprof_svg({}) == ""


def test_a_callee_is_split_between_its_callers() -> None:
    a, b, c = ("m.py", 1, "a"), ("m.py", 2, "b"), ("m.py", 3, "c")
    stats: Stats = {
        a: (1, 1, 1.0, 4.0, {}),
        b: (1, 1, 2.0, 3.0, {}),
        c: (2, 2, 4.0, 4.0, {a: (1, 1, 3.0, 3.0), b: (1, 1, 1.0, 1.0)}),
    }
    assert fold_stats(stats) == {
        "a (m.py:1)": 1_000_000,
        "a (m.py:1);c (m.py:3)": 3_000_000,
        "b (m.py:2)": 2_000_000,
        "b (m.py:2);c (m.py:3)": 1_000_000,
    }


def test_recursion_ends() -> None:
    a, b = ("m.py", 1, "a"), ("m.py", 2, "b")
    stats: Stats = {
        a: (1, 5, 1.0, 2.0, {b: (0, 4, 0.5, 1.0)}),
        b: (1, 5, 1.0, 2.0, {a: (1, 5, 1.0, 2.0)}),
    }
    assert sum(fold_stats(stats).values()) <= 2_000_000


def test_known_functions_and_shares_of_the_loop(start: Start) -> None:
    capture = start("shares").ask("trace", seconds=1)
    # What was spent while calls were traced, not after: the stacks are made beside a loop that works on.
    assert work_shares(capture["folded"]) == pytest.approx(shares(capture["traced"]), abs=1)
    assert (capture["kind"], capture["unit"], capture["engine"]) == ("trace", "microseconds", "cProfile")
    assert sum(weights(capture["folded"]).values()) == pytest.approx(capture["seconds"] * 1e6, rel=0.2)
    assert capture["native_svg"] is None


def test_flameprof_draws_its_own_picture(start: Start) -> None:
    capture = start("shares").ask("trace", seconds=0.5, renderer="flameprof")
    assert "work_a" in capture["native_svg"]
    assert ElementTree.fromstring(capture["native_svg"]).tag.endswith("svg")


def test_flameprof_is_not_asked_to_draw_top_level_functions_only() -> None:
    assert flameprof_svg({("m.py", 1, "a"): (1, 1, 1.0, 1.0, {})}) == ""


def test_a_hook_set_by_another_tool_is_a_refusal() -> None:
    async def traced() -> None:
        await trace(TraceRequest(0.1))

    before = sys.getprofile()
    sys.setprofile(lambda *_: None)
    try:
        with pytest.raises(ProfilerBusy, match="Another tool has the profile hook"):
            asyncio.run(traced())
    finally:
        sys.setprofile(before)
