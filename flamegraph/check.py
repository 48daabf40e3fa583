"""`check`: has a function become slower or larger between two profiles, and by more than chance?

What is a finding. Every function is judged by its *own* share: a growing function makes all its callers grow,
and a list of callers names no cause. A caller is a finding only for growth that its callees' findings do not
explain: many small callees that each grew by less than the limits. Code that merely moved to another caller
is no growth. A function that base does not have is a finding when its own share is over the least share.

What is needed for one, all at once: growth in points, growth relative to the base, significance and a least
share; with several baselines, also more growth than the baselines differ by among themselves. Where
significance cannot be told (bytes and times without a number of samples) the other limits decide alone, and
the verdict says so.

How the default limits do, by resampling (tests/flamegraph/calibration.py): a run draws stacks in bursts, so
that shares vary 3 times as much as independent samples, out of 300 synthetic stacks and out of five
captures of a service, 1,000 pairs of equal runs and 200 of each regression a setting. False alarms: 35 of
6,000 comparisons, 16 of 1,000 in the worst setting. Found, synthetic / service, and the cause named first in
98 % of what was found in runs of 2,000 samples or more:

    own share of a function     500 samples   2,000 samples   8,000 samples
    5 % -> 10 %                  5 % /  5 %    69 % / 46 %    100 % / 100 %
    10 % -> 15 %                 3 % /  2 %    38 % / 28 %    100 % /  98 %
    5 % -> 7 %                   2 % /  0 %     5 % /  2 %     49 % /  24 %

Chance is not all: machines drift. Of seven captures each under two loads, taken over ten minutes on a machine
that did other work at times, 18 of 84 pairs alarmed. Take the baselines and the new profile in turns, side by
side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flamegraph import stats
from flamegraph.blame import Blame
from flamegraph.diff import DESIGN_EFFECT, Change, Diff, pooled_diff, sample_count
from flamegraph.errors import OptionError, VerdictError
from flamegraph.profile import Profile


class Limits(NamedTuple):
    """What a finding must exceed. Shares are fractions of the whole (0.01: one point).

    growth    points of growth of the share; a new function needs `share` alone
    relative  growth relative to the base's share (0.1: a tenth)
    z         standard errors, as far as they can be told
    share     the new share, at least
    samples   of each profile, at least; fewer cannot be judged
    """

    growth: float = 0.01
    relative: float = 0.1
    z: float = 3.5
    share: float = 0.01
    samples: int = 300


class Finding(NamedTuple):
    """A function that grew beyond the limits.

    `kind` is `self` (its own share), `new` (its own share, and base does not have it) or `callees` (what grew
    beneath it, spread over functions that are no findings themselves); `base`, `new` and `growth` are of that
    share. `z` and the 95 % `interval` of the growth are None where chance cannot be told. `floor` is how far
    the baselines differ, 0 for one. `path` leads from the outermost caller to where it grew most.
    """

    name: str
    kind: str
    base: float
    new: float
    growth: float
    z: float | None
    interval: tuple[float, float] | None
    floor: float
    path: tuple[str, ...]


class Verdict(NamedTuple):
    """The findings, the largest growth first, and how many functions were large enough to be judged."""

    findings: tuple[Finding, ...]
    judged: int
    diff: Diff
    limits: Limits
    baselines: int

    @property
    def ok(self) -> bool:
        """Whether nothing grew beyond the limits."""
        return not self.findings

    @property
    def exit_code(self) -> int:
        """0 for ok, 1 for a regression, as `flamegraph check` ends."""
        return 0 if self.ok else 1


def check(
    base: Profile,
    new: Profile,
    *,
    baselines: Sequence[Profile] = (),
    limits: Limits = Limits(),  # noqa: B008 - a tuple: it cannot change
    normalize: bool = True,
    design_effect: float = DESIGN_EFFECT,
) -> Verdict:
    """Judges `new` against `base` and any further `baselines` of the same unit.

    Raises OptionError for limits that make no sense or units that differ, and VerdictError when nothing can
    be judged: an empty profile, or fewer samples than `limits.samples`.
    """
    _check_limits(limits)
    runs = (base, *baselines)
    for run in runs:
        _check_size("The base", run, limits)
    _check_size("The new profile", new, limits)
    compared = pooled_diff(runs, new, normalize, design_effect=design_effect)
    judge = _Judge(compared, limits)
    findings = judge.by_self()
    findings += judge.by_callees(findings)
    findings.sort(key=lambda finding: (-finding.growth, finding.name))
    judged = sum(change.new_total >= limits.share for change in compared.functions)
    return Verdict(tuple(findings), judged, compared, limits, len(runs))


class _Judge:
    """The limits applied to one diff."""

    def __init__(self, compared: Diff, limits: Limits) -> None:
        self._diff = compared
        self._limits = limits

    def by_self(self) -> list[Finding]:
        """Functions whose own share grew beyond the limits."""
        runs = _shares_by_run(self._diff, inclusive=False)
        found = []
        for change in self._diff.functions:
            kind = "self" if change.base_total else "new"
            found.append(self._finding(kind, change, (change.base, change.new), runs))
        return [finding for finding in found if finding is not None]

    def by_callees(self, told: Sequence[Finding]) -> list[Finding]:
        """Functions beneath which more grew than the findings tell: the innermost, then not their callers."""
        names = {finding.name for finding in told}
        untold = [change for change in self._diff.functions if change.name not in names]
        blame = Blame(self._diff, {change.name_id for change in self._diff.functions if change.name in names})
        runs = _shares_by_run(self._diff, inclusive=True)
        found = []
        # A callee is no larger than its caller and, where it is as large, has the larger index.
        index = {name_id: node for node, name_id in enumerate(self._diff.tree.name)}
        for change in sorted(untold, key=lambda change: (change.new_total, -index[change.name_id])):
            if not self._beyond(change.base_total, change.new_total, is_new=not change.base_total):
                continue
            shares = change.base_total, change.base_total + blame.beneath(change.name_id)
            finding = self._finding("callees", change, shares, runs)
            if finding is not None:
                found.append(finding)
                blame.explain(change.name_id)
        return found

    def _finding(
        self, kind: str, change: Change, shares: tuple[float, float], runs: Sequence[Mapping[int, float]]
    ) -> Finding | None:
        base, new = shares
        if not self._beyond(base, new, is_new=not change.base_total):
            return None
        floor, effect = self._noise([run[change.name_id] for run in runs])
        z = self._diff.z(base, new, effect)
        if new - base <= floor or (z is not None and z < self._limits.z):
            return None
        path = _path(self._diff, change.name_id, inclusive=kind == "callees")
        interval = self._diff.interval(base, new, effect)
        return Finding(change.name, kind, base, new, new - base, z, interval, floor, path)

    def _beyond(self, base: float, new: float, *, is_new: bool) -> bool:
        growth = new - base
        if growth <= 0 or new < self._limits.share:
            return False
        return is_new or growth > max(self._limits.growth, self._limits.relative * base)

    def _noise(self, shares: Sequence[float]) -> tuple[float, float]:
        """How far one function's share spreads over the baselines, and the design effect seen in them.

        `shares` are of each run's own whole. Few runs tell the effect badly: it is never taken for smaller
        than the one assumed.
        """
        compared = self._diff
        if len(shares) < 2:
            return 0.0, compared.design_effect
        scales = [1.0 if compared.normalized else run.total / compared.whole for run in compared.runs]
        scaled = [share * scale for share, scale in zip(shares, scales, strict=True)]
        floor = max(scaled) - min(scaled)
        if compared.samples is None:
            return floor, compared.design_effect
        sizes = [sample_count(run) or 1.0 for run in compared.runs]
        parts = [share * size for share, size in zip(shares, sizes, strict=True)]
        return floor, max(compared.design_effect, stats.design_effect(parts, sizes))


def _shares_by_run(compared: Diff, *, inclusive: bool) -> list[dict[int, float]]:
    """Every function's share of each baseline's own whole, by name id; recursion counted once."""
    runs = []
    for run in compared.runs:
        sums = compared.by_name(compared.outermost(run.totals) if inclusive else run.weights)
        runs.append({name_id: weight / run.total for name_id, weight in sums.items()})
    return runs


def _path(compared: Diff, name_id: int, *, inclusive: bool) -> tuple[str, ...]:
    """From the outermost caller to the function, where it grew most."""
    tree = compared.tree
    new = tree.totals if inclusive else tree.weights
    base = compared.base_totals if inclusive else compared.base
    nodes = (node for node in range(1, len(tree)) if tree.name[node] == name_id)
    most = max(nodes, key=lambda node: new[node] - base[node])
    return tuple(tree.text(node) for node in tree.path(most))


def _check_size(role: str, profile: Profile, limits: Limits) -> None:
    if not profile.total:
        raise VerdictError(f"{role} is empty: there is nothing to judge.")
    count = sample_count(profile)
    if count is not None and count < limits.samples:
        raise VerdictError(
            f"{role} has {count:,.0f} samples; fewer than {limits.samples:,} cannot be judged. "
            "Profile for longer, or set a lower limit."
        )


def _check_limits(limits: Limits) -> None:
    for name, value in limits._asdict().items():
        if not 0 <= value < math.inf:
            raise OptionError(f"The limit on {name} is {value:g}; it must be 0 or more.")
