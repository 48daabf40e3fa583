import pytest

from diag.profilers.native import ROOT
from tests.profilers.conftest import Start, shares, weight_of, weights, work_shares

pytestmark = pytest.mark.alone

OUTSIDE = {"engine": "py-spy"}
ROOTS = ("<module> (", "Thread._bootstrap (", "_run_module_as_main (", ROOT)


def test_an_idle_service_gives_a_valid_and_nearly_empty_profile(start: Start) -> None:
    capture = start().ask("cpu", **OUTSIDE, seconds=0.5, mode="gil")
    assert capture["engine"] == "py-spy"
    assert capture["errors"] == 0
    assert capture["samples"] <= 5
    assert sum(weights(capture["folded"]).values()) == capture["samples"]


def test_known_shares_come_out_within_three_points(start: Start) -> None:
    capture = start("shares").ask("cpu", **OUTSIDE, seconds=4, frequency=800)
    assert work_shares(capture["folded"]) == pytest.approx(shares(capture["spent"]), abs=3)
    assert (capture["unit"], capture["kind"], capture["mode"]) == ("samples", "cpu", "cpu")
    assert 0 < capture["pause_share"] < 1


def test_no_stack_is_torn_and_files_have_short_names(start: Start) -> None:
    capture = start("shares", "parked").ask("cpu", **OUTSIDE, seconds=1)
    stacks = weights(capture["folded"])
    assert stacks
    assert all(stack.startswith(ROOTS) for stack in stacks)
    assert any("work_a (tests/profilers/service.py:" in stack for stack in stacks)


@pytest.mark.parametrize("mode", ["cpu", "gil"])
def test_parked_threads_are_not_on_the_cpu(start: Start, mode: str) -> None:
    folded = start("shares", "parked").ask("cpu", **OUTSIDE, seconds=1, mode=mode)["folded"]
    assert weight_of(folded, "Event.wait") <= 0.02 * sum(weights(folded).values())


def test_wall_has_every_thread_all_the_time(start: Start) -> None:
    capture = start("parked").ask("cpu", **OUTSIDE, seconds=1, mode="wall")
    stacks = weights(capture["folded"])
    parked = sum(count for stack, count in stacks.items() if stack.startswith("thread parked;"))
    assert parked >= 0.8 * capture["samples"]
    assert not any(stack.startswith("thread profile-cpu;") for stack in stacks)


def test_the_lowest_rate_is_raised_aloud_so_that_it_ends_in_time(start: Start) -> None:
    capture = start("shares").ask("cpu", **OUTSIDE, seconds=0.2, frequency=1)
    assert capture.get("engine") == "py-spy", capture
    assert any("raised from 1 to 10 Hz" in note for note in capture["notes"])


def test_native_frames_are_followed(start: Start) -> None:
    capture = start("shares").ask("cpu", **OUTSIDE, seconds=1, native=True, frequency=99)
    assert weight_of(capture["folded"], "work_a") > 0
    assert any("lowered from 99 to 50 Hz" in note for note in capture["notes"])


@pytest.mark.parametrize("request_", [{"mode": "gil"}, {"native": True}])
def test_it_is_the_default_where_only_it_sees(start: Start, request_: dict[str, object]) -> None:
    capture = start("shares").ask("cpu", seconds=0.5, **request_)
    assert (capture["engine"], capture["errors"]) == ("py-spy", 0)


@pytest.mark.parametrize("work", ["compress", "commits"])
def test_c_code_that_released_the_lock_is_on_the_cpu(start: Start, work: str) -> None:
    capture = start(work).ask("cpu", seconds=2, **OUTSIDE)
    stacks = weights(capture["folded"])
    there = sum(count for stack, count in stacks.items() if f"{work} (" in stack or stack == f"{ROOT};{work}")
    assert there >= 0.8 * capture["samples"] > 0


@pytest.mark.parametrize("work", ["compress", "commits"])
def test_native_mode_has_c_code_that_released_the_lock(start: Start, work: str) -> None:
    capture = start(work).ask("cpu", seconds=2, native=True)
    stacks = weights(capture["folded"])
    assert capture["engine"] == "py-spy"
    assert sum(count for stack, count in stacks.items() if work in stack) >= 0.8 * capture["samples"] > 0


def test_a_loop_outside_the_main_thread_is_seen(start: Start) -> None:
    capture = start("shares", "worker-loop").ask("cpu", seconds=0.5)
    assert capture["engine"] == "py-spy"
    assert weight_of(capture["folded"], "work_a") > 0
