"""Where a series of measurements changed its level: steps that last, told from noise.

A step is looked for that parts the series best by Student's t on logarithms; if it is more than chance, both
parts are searched in the same way (binary segmentation). Its p is multiplied by the number of places that
were tried. A single outlier is no step: each part must have `least` values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance
from typing import NamedTuple

from flamegraph.errors import OptionError

_PRECISION = 1e-12
_TURNS = 500


class ChangePoint(NamedTuple):
    """The index of the first value of the new level, new level over old (1.1: 10 % more), and its p."""

    at: int
    ratio: float
    p: float


def change_points(
    values: Sequence[float], *, p: float = 0.001, magnitude: float = 0.02, least: int = 2
) -> list[ChangePoint]:
    """The lasting steps of at least `magnitude`, in order.

    Raises OptionError for a value that is not a number above 0, and for a `least` under 2.
    """
    for value in values:
        if not 0 < value < math.inf:
            raise OptionError(f"A measured value is {value:g}; it must be a number above 0.")
    if least < 2:
        raise OptionError(f"A level of {least} values cannot be told from an outlier; it needs 2 or more.")
    found: list[ChangePoint] = []
    _search([math.log(value) for value in values], 0, len(values), (p, magnitude, least), found)
    return sorted(found)


def _search(
    logs: Sequence[float],
    begin: int,
    end: int,
    limits: tuple[float, float, int],
    found: list[ChangePoint],
) -> None:
    p, magnitude, least = limits
    places = range(begin + least, end - least + 1)
    if not places:
        return
    best, at = min((_equal_p(logs[begin:at], logs[at:end]), at) for at in places)
    step = ChangePoint(
        at, math.exp(fmean(logs[at:end]) - fmean(logs[begin:at])), min(1.0, best * len(places))
    )
    if step.p > p:
        return
    if abs(step.ratio - 1) >= magnitude:
        found.append(step)
    _search(logs, begin, at, limits, found)
    _search(logs, at, end, limits, found)


def _equal_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p of equal means. The variance is that of both parts together: two values tell none."""
    difference = fmean(other) - fmean(one)
    freedom = len(one) + len(other) - 2
    spread = sum((len(each) - 1) * variance(each) for each in (one, other)) / freedom
    spread *= 1 / len(one) + 1 / len(other)
    # Below this, all that is left of equal logarithms is rounding.
    if spread <= _PRECISION**2:
        return 1.0 if abs(difference) <= _PRECISION else 0.0
    return student_p(difference / math.sqrt(spread), freedom)


def student_p(t: float, freedom: float) -> float:
    """The probability of a Student's t at least as far from zero, on either side."""
    return _beta_share(freedom / (freedom + t * t), freedom / 2, 0.5)


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction."""
    if x in (0.0, 1.0):
        return x
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    # The fraction converges on this side; on the other one it is the complement.
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = d
    for turn in range(1, _TURNS):
        for factor in (
            turn * (b - turn) * x / ((a + 2 * turn - 1) * (a + 2 * turn)),
            -(a + turn) * (a + b + turn) * x / ((a + 2 * turn) * (a + 2 * turn + 1)),
        ):
            d = 1 / (1 + factor * d)
            c = 1 + factor / c
            value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value
