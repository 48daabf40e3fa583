from itertools import pairwise

import pytest

from diag.profilers.spacing import Spacing, TickPhase

TICK = 0.004


def shares(rate: float, in_python: float, in_c: float, seconds: float = 2_000.0) -> float:
    """The share charged to calls into C by looks at a program that does both in turns.

    A look begins at the first tick after it is due, and in a call only when the call is over.
    """
    spacing = Spacing(rate, TICK, 0.0)
    charged = {"python": 0.0, "c": 0.0}
    tick = 0
    while tick * TICK < seconds:
        tick += 1
        at = tick * TICK
        if at < spacing.due:
            continue
        turn, within = divmod(at, in_python + in_c)
        if within < in_python:
            charged["python"] += spacing.charge(at, 0.0, 0)
        else:
            end = (turn + 1) * (in_python + in_c)
            tick = int(end / TICK + 1e-9)
            charged["c"] += spacing.charge(end, end - tick * TICK, 0)
    return charged["c"] / sum(charged.values())


def test_a_program_without_calls_is_charged_all_its_time() -> None:
    assert shares(99, 1.0, 0.0) == 0


@pytest.mark.parametrize("rate", [19, 99, 250])
@pytest.mark.parametrize(("in_python", "in_c"), [(0.0101, 0.0101), (0.00303, 0.00707), (0.0203, 0.0011)])
def test_a_call_into_c_is_charged_its_share(rate: float, in_python: float, in_c: float) -> None:
    assert shares(rate, in_python, in_c) == pytest.approx(in_c / (in_python + in_c), abs=0.015)


def test_a_program_that_sleeps_is_charged_at_any_place_alike() -> None:
    spacing, charged = Spacing(250, TICK, 0.0), [0.0, 0.0]
    for tick in range(1, 200_000):
        # 5.1 ms of work begin every 46.3 ms, the last 2.1 ms of it in calls of 0.3 ms
        begun, within = divmod(tick * TICK, 0.0463)
        if within >= 0.0051 or begun * 0.0051 + within < spacing.due:
            continue
        late = (0.0051 - within) % 0.0003 if within > 0.003 else 0.0
        charged[within > 0.003] += spacing.charge(begun * 0.0051 + within + late, late, int(begun))
    assert charged[0] / sum(charged) == pytest.approx(3 / 5.1, abs=0.015)


def test_looks_come_at_the_rate_asked_for() -> None:
    spacing = Spacing(99, TICK, 0.0)
    looks = [0.0]
    while looks[-1] < 200:
        looks.append((int(spacing.due / TICK) + 1) * TICK)
        spacing.charge(looks[-1], 0.0, 0)
    assert len(looks) / 200 == pytest.approx(99, rel=0.05)
    assert {round((late - early) / TICK) for early, late in pairwise(looks)} > {1, 2, 3, 4}


def test_a_processor_s_ticks_are_learned_from_the_looks_on_time() -> None:
    phase = TickPhase(TICK)
    assert phase.late(0, 0.0017) == 0
    for tick in range(20):
        phase.late(0, tick * TICK + 0.00101)
        phase.late(1, tick * TICK + 0.00301)
    assert phase.late(0, 5 * TICK + 0.00301) == pytest.approx(0.002, abs=0.0002)
    assert phase.late(1, 5 * TICK + 0.00101) == pytest.approx(0.002, abs=0.0002)
