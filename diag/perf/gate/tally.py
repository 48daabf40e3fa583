"""Verdicts of many trials, and what their rate may really be."""

from typing import Literal, NamedTuple

from diag.perf.figures import Figure


class Tally(NamedTuple):
    """How many of ``trials`` came to each verdict; the others could not tell."""

    failed: int
    passed: int
    trials: int

    def figure(self, name: str, bound: Literal["<=", ">="], target: float) -> Figure:
        """The rate of fails beside its target, with the end of its interval on the side of the target."""
        if bound == "<=":
            told = f"95 % sure: at most {at_most(self.failed, self.trials):.1%}"
        else:
            told = f"95 % sure: at least {1 - at_most(self.trials - self.failed, self.trials):.1%}"
        made_of = f"{self.failed} of {self.trials} fail, {self.passed} pass; {told}"
        return Figure(name, self.failed / self.trials, bound, target, "", made_of)


def at_most(count: int, trials: int, beyond: float = 0.05) -> float:
    """The share that ``count`` of so many trials leaves possible (Clopper and Pearson's upper bound).

    A larger share would give so small a count with a chance of ``beyond`` at most.
    """
    if count >= trials:
        return 1.0
    low, high = count / trials, 1.0
    while high - low > 1e-7:
        share = (low + high) / 2
        if _chance_of_at_most(count, trials, share) > beyond:
            low = share
        else:
            high = share
    return high


def _chance_of_at_most(count: int, trials: int, share: float) -> float:
    term = total = (1 - share) ** trials
    for number in range(count):
        term *= (trials - number) / (number + 1) * share / (1 - share)
        total += term
    return total
