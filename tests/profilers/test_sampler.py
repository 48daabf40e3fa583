import pytest

from tests.profilers.conftest import Start, weight_of, weights, work_shares
from tests.profilers.test_perfevent import refusal

pytestmark = pytest.mark.alone

INSIDE = {"engine": "inprocess"}


def test_an_idle_service_gives_a_valid_and_nearly_empty_profile(start: Start) -> None:
    capture = start().ask("cpu", seconds=0.3, **INSIDE)
    assert capture["samples"] <= 5
    assert sum(weights(capture["folded"]).values()) == capture["samples"]


@pytest.mark.parametrize("loop", [(), ("uvloop",)])
def test_known_shares_come_out_within_five_points(start: Start, loop: tuple[str, ...]) -> None:
    capture = start("shares", *loop).ask("cpu", seconds=4, **INSIDE)
    assert work_shares(capture["folded"]) == pytest.approx([60, 30, 10], abs=5)
    assert capture["engine"] == "inprocess"
    assert "between two bytecodes" in capture["notes"][0]


def test_without_perf_events_the_kernel_s_ticks_serve_and_the_note_says_so(start: Start) -> None:
    capture = start("shares", "no-perf").ask("cpu", seconds=4, frequency=1000, **INSIDE)
    assert work_shares(capture["folded"]) == pytest.approx([60, 30, 10], abs=5)
    assert "the kernel's ticks" in capture["notes"][0]
    assert "CAP_PERFMON" in capture["notes"][0]
    assert "lowered from 1000 to 250 Hz" in capture["notes"][1]


@pytest.mark.skipif(refusal() is not None, reason=f"no perf events: {refusal()}")
def test_what_is_mostly_idle_is_looked_at_more_often_than_samples_are_reported(start: Start) -> None:
    capture = start("idle").ask("cpu", seconds=3, **INSIDE)
    assert capture["looks"] > 3 * capture["samples"] > 0
    assert weight_of(capture["folded"], "spin") >= 0.7 * capture["samples"]


def test_a_long_call_into_c_is_not_charged_with_what_python_did_before_it(start: Start) -> None:
    capture = start("leaves").ask("cpu", seconds=8, frequency=250, **INSIDE)
    whole = sum(capture["spent"].values())
    seen = weight_of(capture["folded"], "leaf_in_c") / sum(weights(capture["folded"]).values())
    assert seen == pytest.approx(capture["spent"]["leaf_in_c"] / whole, abs=0.05)


def test_signals_of_somebody_else_are_no_samples(start: Start) -> None:
    capture = start("shares", "storm").ask("cpu", seconds=2, frequency=250, **INSIDE)
    assert work_shares(capture["folded"]) == pytest.approx([60, 30, 10], abs=10)
    assert "_on_signal" not in capture["folded"]
    assert sum(weights(capture["folded"]).values()) <= 2 * 1.1 * 250 * capture["seconds"]


@pytest.mark.parametrize("request_", [{}, {"mode": "wall"}, {"by": "request"}])
def test_it_is_the_default(start: Start, request_: dict[str, object]) -> None:
    capture = start("shares").ask("cpu", seconds=0.5, **request_)
    assert capture["engine"] == "inprocess"
    assert weight_of(capture["folded"], "work_a") > 0


@pytest.mark.parametrize("work", ["compress", "commits"])
def test_c_code_that_released_the_lock_is_on_the_cpu(start: Start, work: str) -> None:
    capture = start(work).ask("cpu", seconds=2, **INSIDE)
    assert weight_of(capture["folded"], work) >= 0.8 * capture["samples"] > 0


def test_parked_threads_are_not_on_the_cpu(start: Start) -> None:
    folded = start("shares", "parked").ask("cpu", seconds=1, **INSIDE)["folded"]
    assert weight_of(folded, "Event.wait") <= 0.02 * sum(weights(folded).values())


def test_wall_has_every_thread_all_the_time(start: Start) -> None:
    capture = start("parked").ask("cpu", seconds=0.5, mode="wall", **INSIDE)
    stacks = weights(capture["folded"])
    parked = sum(count for stack, count in stacks.items() if stack.startswith("thread parked;"))
    threads = sum(count for stack, count in stacks.items() if stack.startswith("thread "))
    assert parked >= 0.8 * threads > 0


@pytest.mark.skipif(refusal() is not None, reason=f"no perf events: {refusal()}")
def test_threads_that_are_switched_thousands_of_times_a_second_are_spared_a_timer_at_each(
    start: Start,
) -> None:
    capture = start("waiting").ask("cpu", seconds=2, **INSIDE)
    assert "threads are switched so often" in capture["notes"][0]
    assert weight_of(capture["folded"], "Service.waiting") > 0


@pytest.mark.skipif(refusal() is not None, reason=f"no perf events: {refusal()}")
def test_the_rate_that_is_told_is_that_of_the_clock_which_serves(start: Start) -> None:
    capture = start("waiting").ask("cpu", seconds=2, frequency=1000, **INSIDE)
    assert "threads are switched so often" in capture["notes"][0]
    assert "lowered from 1000 to 250 Hz" in capture["notes"][1]
    assert (capture["rate_asked"], capture["rate_effective"]) == (1000, 250)


@pytest.mark.parametrize("loop", [(), ("uvloop",)])
def test_wall_has_suspended_tasks_by_name_with_what_they_wait_for(
    start: Start, loop: tuple[str, ...]
) -> None:
    capture = start("waits", *loop).ask("cpu", seconds=1, mode="wall")
    stacks = weights(capture["folded"])
    waiting = {stack: count for stack, count in stacks.items() if ";inner (" in stack}
    ticks = capture["rate_effective"] * capture["seconds"]
    named, unnamed = (
        sum(count for stack, count in waiting.items() if stack.startswith(root))
        for root in ("task long wait;outer (", "task outer;outer (")
    )
    assert named == pytest.approx(3 * unnamed, rel=0.01)
    assert unnamed == pytest.approx(ticks, rel=0.1)
    assert all("[waits for " in stack for stack in waiting)
    assert any(stack.startswith("task answer-cpu;") and "[waits for task " in stack for stack in stacks)


def test_timer_and_handler_are_taken_away(start: Start) -> None:
    service = start("shares")
    before = service.ask("state")
    service.ask("cpu", seconds=0.2, **INSIDE)
    service.ask("cpu", seconds=0.2, mode="wall", **INSIDE)
    after = service.ask("state")
    assert after["timers"] == [0, 0]
    assert after["handlers"] == before["handlers"]
    assert after["events"] == 0


@pytest.mark.parametrize("permitted", [(), ("no-perf",)])
def test_a_cancelled_one_leaves_nothing_and_a_busy_process_lives(
    start: Start, permitted: tuple[str, ...]
) -> None:
    service = start("shares", "compress", *permitted)
    before = service.ask("state")
    for _ in range(5):
        number = service.send("cpu", seconds=60, frequency=1000, **INSIDE)
        while service.ask("state")["handlers"] == before["handlers"]:
            pass
        service.cancel(number)
        assert service.result(number)["error"] == "CancelledError"
    after = service.ask("state")
    assert after["handlers"] == before["handlers"]
    assert after["events"] == 0


def test_a_loop_outside_the_main_thread_is_sampled_with_a_warning(start: Start) -> None:
    capture = start("shares", "worker-loop").ask("cpu", seconds=0.5, **INSIDE)
    assert weight_of(capture["folded"], "spin") > 0
    assert "does not run in the main thread" in capture["notes"][0]
