import pytest

from diag.profilers.cpu import affordable_rate
from diag.profilers.rate import USUAL, settled
from diag.profilers.requests import CpuRequest


@pytest.mark.parametrize("engine", ["py-spy", "inprocess"])
@pytest.mark.parametrize("mode", ["cpu", "wall"])
def test_a_process_of_one_thread_is_sampled_as_usual(engine: str, mode: str) -> None:
    rate = settled(None, engine, mode, 1)
    assert rate.hertz == USUAL
    assert "99 Hz was chosen for 1 thread" in rate.notes[0]


def test_what_is_asked_for_and_bearable_needs_no_word() -> None:
    assert settled(99, "py-spy", "cpu", 12) == settled(99, "inprocess", "cpu", 1000)
    assert settled(99, "py-spy", "cpu", 12).notes == ()


def test_more_threads_mean_fewer_samples_unless_they_cost_nothing() -> None:
    rates = [settled(None, "py-spy", "cpu", threads).hertz for threads in (1, 15, 40, 400)]
    assert rates == sorted(set(rates), reverse=True)
    assert settled(None, "inprocess", "cpu", 400).hertz == USUAL
    assert settled(None, "inprocess", "wall", 400).hertz < USUAL


def test_who_asks_may_stop_the_process_longer() -> None:
    assert settled(99, "py-spy", "wall", 15).hertz > settled(None, "py-spy", "wall", 15).hertz


def test_the_rate_is_lowered_aloud_when_there_are_many_threads() -> None:
    rate = affordable_rate(CpuRequest(frequency=99, mode="wall"), 100)
    assert rate.hertz < 99
    assert f"from 99 to {rate.hertz} Hz: with 100 threads" in rate.notes[0]


def test_no_rate_is_below_what_the_engine_hears() -> None:
    assert affordable_rate(CpuRequest(frequency=1), 12).hertz == 10
    assert affordable_rate(CpuRequest(frequency=1, mode="wall"), 100_000).hertz == 1


def test_a_bound_of_the_engine_is_told_with_its_reason() -> None:
    rate = settled(1000, "inprocess", "cpu", 5, most=(250, "of the tick"))
    assert (rate.hertz, rate.notes) == (250, ("The rate was lowered from 1000 to 250 Hz: of the tick.",))
    assert affordable_rate(CpuRequest(native=True), 1).hertz == 50
