"""Wilcoxon's signed-rank test and the interval that belongs to it: pure functions, no dependencies.

Why this test judges pairs. When the two sides of a pair were measured in an order drawn by lot, each
difference without an effect has either sign with the same chance, whatever the noise looks like: heavy tails,
drift, noise that lasts over several pairs. The p of given differences is the exact share of all 2**n choices
of signs that give as much, so a threshold of alpha alarms in at most alpha of the cases. Ranks bound what one
wild pair can do, and unlike a difference of medians or quantiles they see a shift that is the same in every
pair.

The choices are counted, not listed: the product of (1 + x**rank) over the pairs has as its coefficients how
many choices give each sum. It is multiplied out inside one long integer, a field of bits a coefficient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, compress
from random import Random
from statistics import NormalDist

from flamegraph.errors import OptionError

EXACT_PAIRS = 200
_DRAWS = 9_999
_ROUNDING = 1e-12


def upper_p(differences: Sequence[float], *, draws: int = _DRAWS, seed: int = 0) -> float:
    """One-sided p of "the differences lie above zero": the share of sign choices that give as much or more.

    Exact for up to EXACT_PAIRS differences; for more, out of `draws` random choices with the given one
    counted, which is never too small either. Differences of zero, to 12 decimal places, say nothing and
    count for neither side; if all are, p is 1. Raises OptionError for no differences.
    """
    ranks = _doubled_ranks(differences)
    observed = sum(rank for rank, value in zip(ranks, differences, strict=True) if value > 0)
    if len(ranks) <= EXACT_PAIRS:
        return _share_at_least(ranks, observed)
    return _drawn_share_at_least(ranks, observed, draws, seed)


def centre(differences: Sequence[float]) -> float:
    """The Hodges-Lehmann estimate of where the differences lie: the median mean of any two of them.

    Raises OptionError for no differences.
    """
    means = _means_of_two(differences)
    middle = len(means) // 2
    return means[middle] if len(means) % 2 else (means[middle - 1] + means[middle]) / 2


def interval(differences: Sequence[float], beyond: float) -> tuple[float, float]:
    """Where the differences lie: the true place is above the upper end with a chance of at most `beyond`.

    The same holds for below the lower end, so the interval's confidence is 1 - 2 * beyond. Infinite ends
    mean that there are too few differences for it. Raises OptionError for no differences, or for a `beyond`
    that is not above 0 and below 0.5.
    """
    if not 0 < beyond < 0.5:
        raise OptionError(f"The chance beyond one end is {beyond:g}; it must be above 0 and below 0.5.")
    means = _means_of_two(differences)
    cut = _means_cut_off(len(differences), beyond)
    return (means[cut - 1], means[-cut]) if cut else (-math.inf, math.inf)


def _doubled_ranks(differences: Sequence[float]) -> list[int]:
    """Ranks of the sizes, twice as large so that equal ones share a whole number; zeros have rank 0."""
    if not differences:
        raise OptionError("There are no differences to judge.")
    sizes = [abs(value) for value in differences]
    step = _ROUNDING * max(1.0, *sizes)
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    ranks = [0] * len(sizes)
    start = 0
    for at in range(1, len(order) + 1):
        if at < len(order) and sizes[order[at]] - sizes[order[at - 1]] <= step:
            continue
        for tied in order[start:at]:
            ranks[tied] = start + at + 1 if sizes[tied] > step else 0
        start = at
    return ranks


def _share_at_least(ranks: Sequence[int], observed: int) -> float:
    width = len(ranks) + 1
    tail = _sums(ranks, width) >> observed * width
    # The sum of all fields, as the sum of decimal digits is what remains modulo 9; it is below the modulus.
    return (tail % ((1 << width) - 1)) / (1 << len(ranks))


def _sums(ranks: Sequence[int], width: int) -> int:
    """How many choices of ranks have each sum: the count for sum s is in the `width` bits from s * width."""
    counts = 1
    for rank in ranks:
        counts += counts << rank * width
    return counts


def _drawn_share_at_least(ranks: Sequence[int], observed: int, draws: int, seed: int) -> float:
    random = Random(seed)  # noqa: S311 - a reproducible verdict, not a secret
    count = len(ranks)
    as_much = sum(
        sum(compress(ranks, map(int, f"{random.getrandbits(count):0{count}b}"))) >= observed
        for _ in range(draws)
    )
    return (as_much + 1) / (draws + 1)


def _means_of_two(differences: Sequence[float]) -> list[float]:
    """Of every difference with itself and every later one, in order."""
    if not differences:
        raise OptionError("There are no differences to judge.")
    return sorted((one + other) / 2 for at, one in enumerate(differences) for other in differences[at:])


def _means_cut_off(count: int, beyond: float) -> int:
    """How many means of two lie outside each end: as many rank sums as have a chance of `beyond` together."""
    if count > EXACT_PAIRS:
        middle = count * (count + 1) / 4
        deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return max(0, math.floor(middle + NormalDist().inv_cdf(beyond) * deviation - 0.5))
    size = (count + 8) // 8
    fields = _sums(range(1, count + 1), 8 * size).to_bytes((count * (count + 1) // 2 + 1) * size, "little")
    most = beyond * (1 << count)
    cumulated = accumulate(
        int.from_bytes(fields[at : at + size], "little") for at in range(0, len(fields), size)
    )
    return next(cut for cut, choices in enumerate(cumulated) if choices > most)
