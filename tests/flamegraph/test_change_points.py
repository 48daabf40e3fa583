"""Steps in series of measurements."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph.change_points import change_points, student_p
from flamegraph.errors import OptionError


def series(*levels: tuple[float, int], noise: float = 0.01, seed: int = 1) -> list[float]:
    lot = random.Random(seed)
    return [level * math.exp(lot.gauss(0, noise)) for level, count in levels for _ in range(count)]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0], [5.0] * 20])
def test_nothing_to_find(values: list[float]) -> None:
    assert change_points(values) == []


@pytest.mark.parametrize("factor", [1.1, 0.9])
def test_a_step_is_found_where_it_is(factor: float) -> None:
    (step,) = change_points(series((100, 20), (100 * factor, 20)))
    assert step.at == 20
    assert step.ratio == pytest.approx(factor, rel=0.02)
    assert step.p < 0.001


def test_two_steps() -> None:
    assert [step.at for step in change_points(series((100, 15), (120, 15), (90, 15)))] == [15, 30]


def test_a_constant_step_is_certain() -> None:
    (step,) = change_points([1.0] * 5 + [1.5] * 5)
    assert (step.at, step.p) == (5, 0.0)


def test_an_outlier_is_no_step() -> None:
    assert change_points([*series((100, 20)), 300.0, *series((100, 20), seed=2)]) == []


def test_a_small_step_is_none() -> None:
    assert change_points(series((100, 200), (101, 200), noise=0.001)) == []


def test_noise_is_no_step() -> None:
    assert sum(bool(change_points(series((100, 40), noise=0.05, seed=seed))) for seed in range(200)) <= 2


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_values_must_be_positive(value: float) -> None:
    with pytest.raises(OptionError, match="above 0"):
        change_points([1.0, value])


def test_a_level_needs_two() -> None:
    with pytest.raises(OptionError, match="2 or more"):
        change_points([1.0], least=1)


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [(0, 5, 1.0), (12.706, 1, 0.05), (2.228, 10, 0.05), (3.291, 1e7, 0.001), (4.587, 10, 0.001)],
)
def test_student_by_the_tables(t: float, freedom: float, p: float) -> None:
    assert student_p(t, freedom) == pytest.approx(p, rel=2e-3)
    assert student_p(-t, freedom) == student_p(t, freedom)


@given(st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=30))
def test_exchanging_the_order_turns_the_steps(values: list[float]) -> None:
    forth, back = change_points(values), change_points(values[::-1])
    if len(forth) == len(back) == 1:
        assert forth[0].ratio * back[0].ratio == pytest.approx(1)
