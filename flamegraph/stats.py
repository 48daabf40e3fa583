"""Statistics of sampled shares and of many tests at once: pure functions, the standard library alone.

Samples of a profiler are not independent: they come in bursts, and a run differs from the next one. Functions
on counts therefore take a `design_effect`, the factor by which a share varies more than independent samples
would (1 for independent ones). A sample of n counts then says as much as n / design_effect independent ones.

Everywhere `base` comes first and `new` second, and a positive result means that new is larger: exchanging the
two flips the sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from flamegraph.errors import OptionError

Z95 = 1.959963984540054


def two_sided_p(z: float) -> float:
    """The probability of a normal deviate at least as far from zero as `z`, on either side."""
    return math.erfc(abs(z) / math.sqrt(2))


def two_proportion_z(
    base: float, base_size: float, new: float, new_size: float, design_effect: float = 1.0
) -> float:
    """How many standard errors lie between two shares, under the hypothesis that they are one (pooled).

    `base` of `base_size` and `new` of `new_size` samples; fractions are fine. 0 when no difference can be
    seen. Raises OptionError for a part larger than its whole, an empty whole or a design effect under 1.
    """
    _check_part(base, base_size)
    _check_part(new, new_size)
    _check_effect(design_effect)
    pooled = (base + new) / (base_size + new_size)
    variance = pooled * (1 - pooled) * (1 / base_size + 1 / new_size) * design_effect
    return (new / new_size - base / base_size) / math.sqrt(variance) if variance > 0 else 0.0


def count_z(base: float, new: float, design_effect: float = 1.0) -> float:
    """How many standard errors lie between two counts taken over equal times (Poisson). 0 for two zeros."""
    _check_effect(design_effect)
    variance = (base + new) * design_effect
    return (new - base) / math.sqrt(variance) if variance > 0 else 0.0


def wilson(part: float, size: float, z: float = Z95, design_effect: float = 1.0) -> tuple[float, float]:
    """Wilson's score interval for a share; 95 % for the default `z`. Holds near 0 and 1 and for small
    samples.

    Raises OptionError as `two_proportion_z`.
    """
    _check_part(part, size)
    _check_effect(design_effect)
    effective = size / design_effect
    share = min(1.0, part / size)
    square = z * z / effective
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    # At the ends of the range rounding would leave a trace.
    return (0.0 if part == 0 else max(0.0, centre - half), 1.0 if part >= size else min(1.0, centre + half))


def newcombe(
    base: float, base_size: float, new: float, new_size: float, z: float = Z95, design_effect: float = 1.0
) -> tuple[float, float]:
    """Newcombe's interval (his method 10) for new share minus base share: two Wilson intervals combined.

    Raises OptionError as `two_proportion_z`.
    """
    low_base, high_base = wilson(base, base_size, z, design_effect)
    low_new, high_new = wilson(new, new_size, z, design_effect)
    share_base, share_new = base / base_size, new / new_size
    difference = share_new - share_base
    return (
        difference - math.hypot(share_new - low_new, high_base - share_base),
        difference + math.hypot(high_new - share_new, share_base - low_base),
    )


def design_effect(parts: Sequence[float], sizes: Sequence[float]) -> float:
    """How much more repeated measurements of one share vary than independent samples would (1: not more).

    `parts[i]` of `sizes[i]` samples in the i-th of two or more runs; the estimate is Pearson's statistic over
    its degrees of freedom, and may come out below 1. Raises OptionError for fewer than two runs or a bad
    part.
    """
    if len(parts) < 2 or len(parts) != len(sizes):
        raise OptionError("A design effect needs the parts and sizes of two runs or more.")
    for part, size in zip(parts, sizes, strict=True):
        _check_part(part, size)
    share = math.fsum(parts) / math.fsum(sizes)
    if not 0 < share < 1:
        return 0.0
    squares = ((part - size * share) ** 2 / size for part, size in zip(parts, sizes, strict=True))
    return math.fsum(squares) / (share * (1 - share)) / (len(parts) - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p adjusted for the number of tests (Holm's step-down), in the order given.

    Rejecting what is at or below alpha keeps the chance of any false alarm at or below alpha, however the
    tests depend on one another.
    """
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = reached
    return adjusted


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, linear between neighbours.

    Raises OptionError when there are no values or the share is outside 0 to 1.
    """
    if not values:
        raise OptionError("There is no quantile of no values.")
    if not 0 <= share <= 1:
        raise OptionError(f"The quantile asked for is {share:g}; it must be between 0 and 1.")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _check_part(part: float, size: float) -> None:
    if not 0 < size < math.inf or not 0 <= part <= size * (1 + 1e-9):
        raise OptionError(
            f"{part:g} of {size:g} is no share: a part lies between 0 and a whole of more than 0."
        )


def _check_effect(effect: float) -> None:
    if not 1 <= effect < math.inf:
        raise OptionError(f"The design effect is {effect:g}; it must be 1 or more (1: independent samples).")
