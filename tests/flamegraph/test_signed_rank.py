import itertools
import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flamegraph import OptionError
from flamegraph.signed_rank import EXACT_PAIRS, centre, interval, upper_p

# Ties, zeros, wild values, and values that differ by rounding only.
NOISE = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6),
        st.sampled_from([0.0, 0.05, -0.05, 0.05 + 1e-17, 1.0, -1.0]),
    ),
    min_size=1,
    max_size=7,
)


def test_nothing_has_no_ranks() -> None:
    for refused in (lambda: upper_p([]), lambda: centre([]), lambda: interval([], 0.05)):
        with pytest.raises(OptionError, match="no differences"):
            refused()


def test_the_test_gives_the_published_counts() -> None:
    # Darwin's maize: the two that lost have the ranks 14 and 10. How many choices of signs leave so little?
    maize = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    choices = itertools.product((0, 1), repeat=15)
    listed = sum(sum(itertools.compress(range(1, 16), lost)) <= 24 for lost in choices)
    assert upper_p(maize) == listed / 2**15
    assert upper_p(maize) < 0.025 < upper_p([*maize[:-2], -60, -48])


@settings(max_examples=60, deadline=None)
@given(NOISE)
def test_p_is_at_most_a_in_at_most_a_of_all_choices_of_signs(noise: list[float]) -> None:
    ps = sorted(
        upper_p([math.copysign(value, sign) for value, sign in zip(noise, signs, strict=True)])
        for signs in itertools.product((1, -1), repeat=len(noise))
    )
    for rank, p in enumerate(ps, 1):
        assert p >= rank / len(ps) or ps[rank] == p


@given(NOISE)
def test_zeros_say_nothing_and_p_reaches_from_all_above_to_none(noise: list[float]) -> None:
    assert upper_p([0.0] * len(noise)) == 1
    assert upper_p([-abs(value) for value in noise]) == 1
    assert 0 < upper_p(noise) <= 1
    assert upper_p([abs(value) + 1 for value in noise]) == 0.5 ** len(noise)


def test_many_differences_are_drawn_conservatively_and_reproducibly() -> None:
    source = Random(3)
    many = [source.gauss(0.05, 1) for _ in range(EXACT_PAIRS)]
    exact, drawn = upper_p(many), upper_p([*many, 0.0])
    assert drawn == pytest.approx(exact, abs=0.02)
    assert drawn == upper_p([*many, 0.0])
    assert drawn != upper_p([*many, 0.0], seed=1)
    assert upper_p([1.0] * (EXACT_PAIRS + 1), draws=99) == 0.01


@given(NOISE, st.floats(-100, 100))
def test_the_centre_moves_with_the_differences_and_turns_with_their_signs(
    noise: list[float], shift: float
) -> None:
    assert centre([value + shift for value in noise]) == pytest.approx(centre(noise) + shift, abs=1e-6)
    assert centre([-value for value in noise]) == pytest.approx(-centre(noise))


def test_an_interval_needs_enough_differences() -> None:
    assert interval([1.0, 2.0, 3.0], 0.05) == (-math.inf, math.inf)
    assert interval([1.0, 2.0, 3.0], 0.2) == (1.0, 3.0)
    for beyond in (0.0, 0.5):
        with pytest.raises(OptionError, match=r"below 0\.5"):
            interval([1.0], beyond)


def test_an_interval_cuts_off_what_the_published_tables_say() -> None:
    # Critical values of the signed-rank sum for 5 % and 1 %, two-sided: n, then the largest sum in each tail.
    for count, five, one in ((6, 0, None), (10, 8, 3), (20, 52, 37), (30, 137, 109)):
        values = [float(2**at) for at in range(count)]
        means = sorted((a + b) / 2 for at, a in enumerate(values) for b in values[at:])
        assert interval(values, 0.025) == (means[five], means[-1 - five])
        expected = (-math.inf, math.inf) if one is None else (means[one], means[-1 - one])
        assert interval(values, 0.005) == expected


def test_intervals_of_few_and_of_many_differences_join() -> None:
    source = Random(5)
    many = [source.gauss(0, 1) for _ in range(EXACT_PAIRS)]
    assert interval([*many, 0.0], 0.025) == pytest.approx(interval(many, 0.025), abs=0.01)


def test_the_place_is_outside_the_interval_as_rarely_as_said() -> None:
    source = Random(11)
    outside = 0
    for _ in range(600):
        low, high = interval([source.gauss(0, 1) ** 3 for _ in range(14)], 0.05)
        outside += not low <= 0 <= high
    assert outside <= 600 * 0.1 + 4 * math.sqrt(600 * 0.1 * 0.9)
