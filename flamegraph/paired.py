"""Verdicts on paired measurements: does head cost more than base, by more than a floor and than chance?

A pair is one measurement of each side, taken one after the other in an order drawn by lot, each in a process
of its own; a stored number of another hour says nothing on a shared machine. Everything rests on that lot:
draw it for each pair by itself, or p is not what it says.

Three verdicts. Head fails when it surely costs more, and by the best estimate more than the floor; it passes
when the interval of its effect lies below the floor; else nobody can tell yet. Judging may stop at any of the
planned looks: each has its part of both chances of error, so that all looks and, by Holm's method, all tests
of a suite together alarm in at most `alpha` of the cases where head costs no more.

A third arm guards against what no test of pairs can see: base measured against itself. Where the same code
differs, by a place on disk, a cache, a core, nothing that the machine says is believed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flamegraph import signed_rank
from flamegraph.errors import OptionError
from flamegraph.stats import holm

_ROUNDING = 1e-9


class Verdict(StrEnum):
    """What is known of head: it costs no more, it costs more, or neither is."""

    PASS = "pass"  # noqa: S105 - the word, not a password
    FAIL = "fail"
    UNCLEAR = "cannot tell"


@dataclass(frozen=True)
class Pairs:
    """Costs of both sides, in the order measured: seconds, bytes or anything else that is above zero.

    Raises OptionError for sides of different lengths and for costs that are not positive numbers.
    """

    base: tuple[float, ...]
    head: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.base) != len(self.head):
            raise OptionError(
                f"Pairs need as many costs of each side: there are {len(self.base)} of base "
                f"and {len(self.head)} of head."
            )
        for cost in (*self.base, *self.head):
            if not 0 < cost < math.inf:
                raise OptionError(f"A cost is {cost:g}; it must be a number above 0.")

    def __len__(self) -> int:
        return len(self.base)

    def first(self, count: int) -> Pairs:
        """The first `count` pairs."""
        return Pairs(self.base[:count], self.head[:count])

    def swapped(self) -> Pairs:
        """Head in place of base and the other way round."""
        return Pairs(self.head, self.base)

    def logs(self) -> list[float]:
        """The logarithm of head over base, of each pair."""
        return [math.log(head / base) for base, head in zip(self.base, self.head, strict=True)]


@dataclass(frozen=True)
class Effect:
    """Head's cost over base's, and the ends between which it lies with `confidence` (0 to 1).

    The ends are 0 and infinity when there are too few pairs for the confidence.
    """

    ratio: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Plan:
    """How pairs are judged.

    `looks` are the numbers of pairs after which a verdict may be given, the last one the most there will be.
    Growth up to `floor` is none to speak of (0.02 is 2 %). `alpha` is the chance that any test of a suite
    fails at any look though none costs more, spent in proportion to the pairs of a look; `missed` that one
    test passes at any look though it costs more than the floor, spent equally, so that most of what costs no
    more passes early. Raises OptionError for no plan.
    """

    looks: tuple[int, ...] = (10, 20, 40)
    floor: float = 0.02
    alpha: float = 0.01
    missed: float = 0.05

    def __post_init__(self) -> None:
        if not self.looks or self.looks[0] < 1 or list(self.looks) != sorted(set(self.looks)):
            raise OptionError(f"The looks are {self.looks}; they must be growing numbers of pairs.")
        if not 0 <= self.floor < math.inf:
            raise OptionError(f"The floor is {self.floor:g}; it must be 0 or more (0.02: 2 %).")
        for name, chance in (("alpha", self.alpha), ("missed", self.missed)):
            if not 0 < chance < 0.5:
                raise OptionError(f"{name} is {chance:g}; it must be above 0 and below 0.5.")

    def share(self, count: int) -> float:
        """The part of alpha that is spent on a look at `count` pairs.

        After an interrupt there may be fewer pairs than a look needs: they are judged as that look, which
        then will not take place.
        """
        look = next((look for look in self.looks if count <= look), self.looks[-1])
        return look / sum(self.looks)


@dataclass(frozen=True)
class Judgement:
    """`p` of "head costs more" is adjusted for looks and tests. `reason` is a sentence."""

    verdict: Verdict
    effect: Effect
    p: float
    reason: str


def effect(pairs: Pairs, confidence: float = 0.95) -> Effect:
    """How much head costs over base, by the exact interval of the signed-rank test on logarithms.

    Raises OptionError for no pairs, and for a confidence that is not between 0 and 1.
    """
    logs = pairs.logs()
    low, high = signed_rank.interval(logs, (1 - confidence) / 2)
    return Effect(math.exp(signed_rank.centre(logs)), math.exp(low), math.exp(high), confidence)


def permutation_p(pairs: Pairs, floor: float = 0.02) -> float:
    """One-sided p of "head costs more than `floor` more": exact, see `signed_rank.upper_p`.

    1 for the same costs on both sides. Raises OptionError for no pairs.
    """
    return signed_rank.upper_p([value - math.log1p(floor) for value in pairs.logs()])


def unfit(aa_pairs: Pairs, plan: Plan) -> str | None:
    """Why a machine on which the same code was measured as base and as head cannot judge; None when it can.

    It cannot when they surely differ by more than half of the floor, with all of `alpha` for this one look.
    """
    most = plan.floor / 2
    either = 2 * min(permutation_p(aa_pairs, most), permutation_p(aa_pairs.swapped(), most))
    seen = effect(aa_pairs)
    if either > plan.alpha:
        return None
    return (
        f"The same code measured as both sides differs by {abs(seen.ratio - 1):.1%} "
        f"({len(aa_pairs)} pairs, p = {min(1.0, either):.2g}): this machine cannot judge now."
    )


def judge(pairs: Pairs, aa_pairs: Pairs | None = None, plan: Plan | None = None) -> Judgement:
    """The verdict on one test alone. Raises OptionError for no pairs."""
    return judge_suite({"": pairs}, aa_pairs, plan)[""]


def judge_suite(
    suite: Mapping[str, Pairs], aa_pairs: Pairs | None = None, plan: Plan | None = None
) -> dict[str, Judgement]:
    """The verdict on each test of a suite, at whatever look each is. Raises OptionError for no pairs.

    Give all tests of the suite each time, those that are decided with the pairs they were decided by.
    """
    plan = plan or Plan()
    obstacle = unfit(aa_pairs, plan) if aa_pairs else None
    # Scaled to a whole look, so that tests at different looks are ordered by what they have left of alpha.
    ps = holm([permutation_p(pairs, 0.0) / plan.share(len(pairs)) for pairs in suite.values()])
    return {
        name: _judgement(pairs, p, plan, obstacle) for (name, pairs), p in zip(suite.items(), ps, strict=True)
    }


def _judgement(pairs: Pairs, p: float, plan: Plan, obstacle: str | None) -> Judgement:
    seen = effect(pairs, 1 - 2 * plan.missed / len(plan.looks))
    verdict = _verdict(seen, p, plan)
    if obstacle is not None:
        return Judgement(Verdict.UNCLEAR, seen, p, obstacle)
    return Judgement(verdict, seen, p, _reason(verdict, seen, p, len(pairs), plan))


def _verdict(seen: Effect, p: float, plan: Plan) -> Verdict:
    limit = 1 + plan.floor
    if p <= plan.alpha and seen.ratio > limit * (1 + _ROUNDING):
        return Verdict.FAIL
    return Verdict.PASS if seen.high < limit * (1 - _ROUNDING) else Verdict.UNCLEAR


def _reason(verdict: Verdict, seen: Effect, p: float, count: int, plan: Plan) -> str:
    measured = f"{_change(seen.ratio)} ({_change(seen.low)} to {_change(seen.high)}, {count} pairs)"
    match verdict:
        case Verdict.FAIL:
            return (
                f"Head costs {measured}: surely more, and over the floor of {plan.floor:.1%} (p = {p:.2g})."
            )
        case Verdict.PASS:
            return f"Head costs {measured}: the interval lies below the floor of {plan.floor:.1%}."
        case Verdict.UNCLEAR:
            return f"Head costs {measured}: the floor of {plan.floor:.1%} is within reach of chance."


def _change(ratio: float) -> str:
    return f"{ratio - 1:+.1%}" if ratio < math.inf else "anything"
