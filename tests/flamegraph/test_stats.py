import math
import random
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import OptionError
from flamegraph.stats import (
    count_z,
    design_effect,
    holm,
    newcombe,
    quantile,
    two_proportion_z,
    two_sided_p,
    wilson,
)

SIZES = st.integers(1, 10_000)


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(SIZES)
    return draw(st.integers(0, size)), size


def test_nothing_has_no_statistics() -> None:
    assert holm([]) == []
    for refused in (
        lambda: quantile([], 0.5),
        lambda: wilson(0, 0),
        lambda: two_proportion_z(0, 0, 0, 0),
        lambda: design_effect([], []),
    ):
        with pytest.raises(OptionError):
            refused()


def test_p_of_z_is_the_normal_distributions() -> None:
    normal = statistics.NormalDist()
    for z in (0.0, 0.5, 1.0, 1.959963984540054, 3.0, 5.0):
        assert two_sided_p(z) == pytest.approx(2 * normal.cdf(-z), rel=1e-9)
        assert two_sided_p(-z) == two_sided_p(z)


def test_z_squared_is_the_chi_square_of_the_table() -> None:
    # Pearson's statistic of the 2 x 2 table, computed cell by cell.
    base, base_size, new, new_size = 48, 80, 56, 70
    table = [[base, base_size - base], [new, new_size - new]]
    whole = base_size + new_size
    chi = 0.0
    for row in table:
        for column in (0, 1):
            expected = sum(row) * (table[0][column] + table[1][column]) / whole
            chi += (row[column] - expected) ** 2 / expected
    assert two_proportion_z(base, base_size, new, new_size) ** 2 == pytest.approx(chi)


@given(shares(), shares())
def test_exchanging_the_sides_flips_the_sign(base: tuple[int, int], new: tuple[int, int]) -> None:
    assert two_proportion_z(*new, *base) == pytest.approx(-two_proportion_z(*base, *new), abs=1e-12)
    assert count_z(new[0], base[0]) == -count_z(base[0], new[0])
    low, high = newcombe(*base, *new)
    assert newcombe(*new, *base) == pytest.approx((-high, -low), abs=1e-12)


@given(shares())
def test_the_same_share_is_no_difference(share: tuple[int, int]) -> None:
    assert two_proportion_z(*share, *share) == 0
    low, high = newcombe(*share, *share)
    assert low <= 0 <= high


@given(shares(), shares(), st.floats(1, 100))
def test_a_design_effect_weakens_as_fewer_samples_would(
    base: tuple[int, int], new: tuple[int, int], effect: float
) -> None:
    scaled = [value / effect for value in (*base, *new)]
    assert two_proportion_z(*base, *new, effect) == pytest.approx(two_proportion_z(*scaled), abs=1e-9)
    assert wilson(*base, design_effect=effect) == pytest.approx(wilson(scaled[0], scaled[1]), abs=1e-9)
    assert newcombe(*base, *new, design_effect=effect) == pytest.approx(newcombe(*scaled), abs=1e-9)


@given(shares(), st.floats(0.1, 6))
def test_wilsons_ends_solve_the_equation_they_are_defined_by(share: tuple[int, int], z: float) -> None:
    part, size = share
    for end in wilson(part, size, z):
        assert (part / size - end) ** 2 == pytest.approx(z * z * end * (1 - end) / size, abs=1e-9)


# Newcombe, Statistics in Medicine 17 (1998), 857-872 and 873-890: his examples to four places.
@pytest.mark.parametrize(
    ("part", "size", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(part: int, size: int, low: float, high: float) -> None:
    assert wilson(part, size) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("new", "base", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_gives_the_published_intervals(
    new: tuple[int, int], base: tuple[int, int], low: float, high: float
) -> None:
    assert newcombe(*base, *new) == pytest.approx((low, high), abs=5e-5)


def test_counts_differ_by_poissons_error() -> None:
    assert count_z(0, 0) == 0
    assert count_z(90, 110) == pytest.approx(20 / math.sqrt(200))
    assert count_z(90, 110, design_effect=4) == pytest.approx(10 / math.sqrt(200))


def test_a_design_effect_is_one_for_independent_samples_and_the_burst_for_bursts() -> None:
    source = random.Random(7)

    def runs(burst: int) -> list[int]:
        return [burst * sum(source.random() < 0.1 for _ in range(2_000 // burst)) for _ in range(200)]

    assert design_effect(runs(1), [2_000] * 200) == pytest.approx(1, abs=0.3)
    assert design_effect(runs(8), [2_000] * 200) == pytest.approx(8, abs=2)
    assert design_effect([0, 0], [10, 10]) == 0


def test_holm_adjusts_as_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.7, 0.6]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_lies_between_the_raw_p_and_bonferronis(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for raw, after in zip(p_values, adjusted, strict=True):
        assert raw <= after <= min(1.0, raw * len(p_values) + 1e-12)
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[at] for at in order] == sorted(adjusted)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.integers(1, 9))
def test_quantiles_are_those_of_the_standard_library(values: list[float], tenth: int) -> None:
    expected = statistics.quantiles(values, n=10, method="inclusive")[tenth - 1]
    assert quantile(values, tenth / 10) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert (quantile(values, 0), quantile(values, 1)) == (min(values), max(values))


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: wilson(3, 2), "3 of 2 is no share"),
        (lambda: wilson(-1, 2), "no share"),
        (lambda: wilson(1, 2, design_effect=0.5), "1 or more"),
        (lambda: count_z(1, 2, design_effect=math.nan), "1 or more"),
        (lambda: quantile([1], 2), "between 0 and 1"),
        (lambda: design_effect([1], [2]), "two runs or more"),
    ],
)
def test_what_is_no_statistic_is_refused(refused: Callable[[], object], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        refused()
