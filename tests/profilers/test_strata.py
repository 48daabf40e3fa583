import random
from itertools import pairwise

import pytest

from diag.profilers.strata import Strata

EACH = 0.004


def share(in_python: float, in_c: float, each: float = EACH, seconds: float = 2_000.0) -> float:
    """The share charged to calls into C by looks at a program that does both in turns.

    A look in a call begins when the call is over.
    """
    strata, turn = Strata(each, 0.0), in_python + in_c
    charged = {"python": 0.0, "c": 0.0}
    now = 0.0
    while now < seconds:
        now = max(now, strata.due)
        begun = now // turn * turn
        where = "python" if now - begun < in_python else "c"
        if where == "c":
            now = begun + turn
        charged[where] += strata.charge(now, each)
    return charged["c"] / sum(charged.values())


def test_a_program_without_calls_is_charged_all_its_time() -> None:
    assert share(1.0, 0.0) == 0


@pytest.mark.parametrize("turn", [0.37, 1.0, 2.0, 2.5, 25.0])
@pytest.mark.parametrize("part", [0.05, 0.3, 0.9])
def test_a_call_into_c_is_charged_its_share_even_in_step_with_the_strata(turn: float, part: float) -> None:
    assert share(turn * EACH * (1 - part), turn * EACH * part) == pytest.approx(part, abs=0.004)


def test_the_time_charged_is_the_time_that_has_passed() -> None:
    strata, now, charged = Strata(EACH, 5.0), 5.0, 0.0
    for _ in range(10_000):
        now += random.expovariate(1 / EACH)
        charged += strata.charge(now, EACH)
        # A look may come a fiftieth of a stratum early.
        assert charged == pytest.approx(now - 5.0, abs=1.0201 * EACH)


def test_one_look_a_stratum_at_any_of_its_moments_alike() -> None:
    strata, looks = Strata(EACH, 0.0), [0.0]
    for _ in range(20_000):
        looks.append(strata.due)
        assert strata.charge(looks[-1], EACH) == EACH
    assert [int(at / EACH) for at in looks[1:]] == list(range(20_000))
    places = [at % EACH / EACH for at in looks[1:]]
    assert [sum(part <= 4 * place < part + 1 for place in places) for part in range(4)] == [
        pytest.approx(5_000, rel=0.06)
    ] * 4
    assert max(late - early for early, late in pairwise(looks)) < 2 * EACH


def test_before_it_is_due_a_look_stands_for_nothing_and_changes_nothing() -> None:
    strata = Strata(EACH, 0.0)
    due = strata.due
    assert strata.charge(due - 0.05 * EACH, EACH) == 0
    assert strata.due == due
    assert strata.charge(due - 0.01 * EACH, EACH) == EACH


def test_strata_that_become_shorter_charge_what_has_passed() -> None:
    strata = Strata(0.01, 0.0)
    first = strata.charge(strata.due, 0.001)
    assert first == 0.01
    assert 0.01 <= strata.due < 0.011
    assert strata.charge(0.0149999, 0.001) in (pytest.approx(0.004), pytest.approx(0.005))


def test_more_looks_deviate_less_and_faster_than_by_chance() -> None:
    def deviation(each: float) -> float:
        errors = [share(0.0031, 0.0021, each, 5.0) - 0.0021 / 0.0052 for _ in range(60)]
        return float((sum(error * error for error in errors) / len(errors)) ** 0.5)

    dense, sparse = deviation(0.001), deviation(0.01)
    assert dense < sparse / 2
    assert dense < 0.7 * (0.4 * 0.6 / 5_000) ** 0.5
