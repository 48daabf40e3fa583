"""How often `check` alarms without cause, and how often it sees a cause: by resampling.

    python -m tests.flamegraph.calibration [--runs 1000] [FOLDED ...]

A program is a population of stacks: the folded files given, or a synthetic one (300 stacks, shares by Zipf's
law). A run of it draws stacks in bursts: a profiler that looks every ten milliseconds finds the same long
request again. Lengths of bursts are geometric with mean 2, which makes shares vary 3 times as much as
independent samples. In a regression one function's own share is raised by so many points.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from flamegraph import Profile
from flamegraph.check import Limits, check
from flamegraph.formats.folded import read_folded

Stack = tuple[str, ...]
_BURST_GOES_ON = 0.5


class Population(NamedTuple):
    """What a program does in the long run: stacks and their shares."""

    stacks: list[Stack]
    shares: list[float]

    def run(self, samples: int, random: Random) -> Profile:
        """One profile of the program, of so many samples."""
        counts: dict[Stack, int] = {}
        drawn: Iterator[Stack] = iter(random.choices(self.stacks, self.shares, k=samples))
        stack = next(drawn)
        for _ in range(samples):
            counts[stack] = counts.get(stack, 0) + 1
            if random.random() >= _BURST_GOES_ON:
                stack = next(drawn, stack)
        return Profile.from_stacks(counts.items())

    def slowed(self, function: str, points: float) -> "Population":
        """The program when a function's own share has grown by `points`, a fraction of the whole."""
        own = [stack[-1] == function for stack in self.stacks]
        share = sum(share for share, is_own in zip(self.shares, own, strict=True) if is_own)
        up, down = (share + points) / share, (1 - share - points) / (1 - share)
        shares = [s * (up if is_own else down) for s, is_own in zip(self.shares, own, strict=True)]
        return Population(self.stacks, shares)

    def nearest(self, share: float) -> str:
        """The function whose own share is nearest to `share`."""
        own: dict[str, float] = {}
        for stack, weight in zip(self.stacks, self.shares, strict=True):
            own[stack[-1]] = own.get(stack[-1], 0.0) + weight
        return min(own, key=lambda name: (abs(own[name] - share), name))


def synthetic(stacks: int = 300, seed: int = 0) -> Population:
    """Call paths of 4 to 12 frames out of 200 functions; the k-th stack weighs 1 / k."""
    random = Random(seed)
    made: list[Stack] = []
    for _ in range(stacks):
        shared = made[random.randrange(len(made))][: random.randrange(1, 4)] if made else ("main",)
        made.append((*shared, *(f"f{random.randrange(200)}" for _ in range(random.randrange(3, 9)))))
    harmonic = sum(1 / k for k in range(1, stacks + 1))
    return Population(made, [1 / k / harmonic for k in range(1, stacks + 1)])


def of_profile(profile: Profile) -> Population:
    """A real profile taken for the truth."""
    stacks = list(profile.stacks())
    return Population([stack for stack, _ in stacks], [weight / profile.total for _, weight in stacks])


def alarms(population: Population, samples: int, runs: int, limits: Limits, baselines: int = 1) -> int:
    """Of so many comparisons of a program with itself, how many find anything."""
    found = 0
    for seed in range(runs):
        random = Random(seed)
        base, *more, new = (population.run(samples, random) for _ in range(baselines + 1))
        found += not check(base, new, baselines=more, limits=limits).ok
    return found


class Power(NamedTuple):
    """Of `runs` regressions: how many were found, and how many of those named the cause first."""

    found: int
    named: int


def power(
    population: Population, samples: int, runs: int, limits: Limits, share: float, points: float
) -> Power:
    """Comparisons in which the function whose share is nearest to `share` grew by `points`."""
    cause = population.nearest(share)
    slowed = population.slowed(cause, points)
    found = named = 0
    for seed in range(runs):
        random = Random(seed)
        verdict = check(population.run(samples, random), slowed.run(samples, random), limits=limits)
        found += not verdict.ok
        named += bool(verdict.findings) and verdict.findings[0].name == cause
    return Power(found, named)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints one line a setting."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folded", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--z", type=float, default=Limits().z)
    options = parser.parse_args(argv)
    limits = Limits()._replace(z=options.z)
    programs = {"synthetic": synthetic()}
    programs.update({path.name: of_profile(read_folded(path)) for path in options.folded})
    for (name, program), samples in itertools.product(programs.items(), (500, 2000, 8000)):
        false = alarms(program, samples, options.runs, limits)
        _say(f"{name} {samples} samples: false alarms {false} of {options.runs}")
        for share, points in ((0.05, 0.05), (0.1, 0.05), (0.02, 0.03), (0.05, 0.02)):
            result = power(program, samples, options.runs // 5, limits, share, points)
            _say(
                f"    {100 * share:g} % grows by {100 * points:g} points: found {result.found}, "
                f"named first {result.named} of {options.runs // 5}"
            )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what this module is run for


if __name__ == "__main__":
    main()
