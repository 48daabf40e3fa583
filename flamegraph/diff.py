"""`Diff`: two profiles over one call tree, with how much each part changed and how sure that is.

Profiles of different length are compared by shares: base is scaled to new's total, in floating point, since
whole numbers would lose what is small. Shares add up to one, so a function that shrinks lets all others grow
a little; `normalize=False` compares the weights themselves, for two runs known to have done the same work.

How sure: counts of samples vary by chance, and more than independent samples would, because samples come in
bursts and two runs of a program differ. `DESIGN_EFFECT` is by how much. Bytes and times are not counts: where
the profile does not say how many samples stand behind them (metadata `samples`), nothing is said about
chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from flamegraph.errors import OptionError
from flamegraph.profile import ROOT, Profile, Weight
from flamegraph.stats import Z95, count_z, newcombe, two_proportion_z
from flamegraph.union import union

DESIGN_EFFECT = 3.0
_MOST = 2.0
_LEAST_SCALE = 1e-100
_Z_UNSURE, _Z_SURE = 2.0, 4.0


class Change(NamedTuple):
    """One function in both profiles.

    Shares are of the whole, 0 to 1 (more only where new is larger and not normalised); `*_total` count a
    recursive function once a stack. `z` is of the self share, None where chance cannot be told; `name_id` is
    the tree's.
    """

    name: str
    base: float
    new: float
    base_total: float
    new_total: float
    z: float | None
    name_id: int

    @property
    def growth(self) -> float:
        """New self share minus base self share."""
        return self.new - self.base

    @property
    def total_growth(self) -> float:
        """New inclusive share minus base inclusive share."""
        return self.new_total - self.base_total


class Diff:
    """Two profiles over the union of their call trees. Node indices are those of `tree`.

    tree          the union; its weights and totals are new's
    base[i]       base's own weight of node i, in `unit`, scaled to new's total where `normalized`
    total_base    base's total as it was read; `total_new` new's
    samples       (base's, new's) number of samples; None where chance cannot be told
    runs          base as read, over the columns of `tree`: one profile, or one for each of several baselines
    """

    def __init__(
        self,
        tree: Profile,
        runs: Sequence[Profile],
        *,
        normalized: bool,
        samples: tuple[float, float] | None,
        design_effect: float = DESIGN_EFFECT,
    ) -> None:
        self.tree = tree
        self.runs = runs
        self.total_base = _plus([run.total for run in runs])
        self.total_new = tree.total
        self.normalized = normalized
        self.samples = samples
        self.design_effect = design_effect
        self._scale = self.total_new / self.total_base if normalized else 1 / len(runs)
        if not _LEAST_SCALE < self._scale < 1 / _LEAST_SCALE:
            raise OptionError(
                f"The totals are {self.total_base:g} and {self.total_new:g}: "
                "too far apart to be brought to one scale."
            )

    @property
    def unit(self) -> str:
        """The unit of every weight here."""
        return self.tree.unit

    @property
    def whole(self) -> float:
        """The weight of a share of 1: new's total, or base's if not normalised; the other's if it is 0."""
        totals = self.total_base * self._scale, self.total_new
        first, second = reversed(totals) if self.normalized else totals
        return first or second

    @cached_property
    def base(self) -> Sequence[float]:
        """Base's own weight of every node."""
        return [
            _plus(weights) * self._scale for weights in zip(*(run.weights for run in self.runs), strict=True)
        ]

    @cached_property
    def base_totals(self) -> Sequence[float]:
        """Base's weight of every node with all its descendants."""
        return [
            _plus(totals) * self._scale for totals in zip(*(run.totals for run in self.runs), strict=True)
        ]

    def is_new(self, node: int) -> bool:
        """Whether the frame has weight in new alone."""
        return bool(self.tree.totals[node]) and not self.base_totals[node]

    def is_vanished(self, node: int) -> bool:
        """Whether the frame has weight in base alone."""
        return bool(self.base_totals[node]) and not self.tree.totals[node]

    def change(self, node: int) -> float:
        """Binary logarithm of new : base of the inclusive weights, held to -2 ... 2; 2 for a new frame."""
        new, base = self.tree.totals[node], self.base_totals[node]
        if not new or not base:
            return _MOST * (bool(new) - bool(base))
        ratio = new / base
        return max(-_MOST, min(_MOST, math.log2(ratio))) if ratio else -_MOST

    def significance(self, node: int) -> float:
        """0 where chance explains the change (within two standard errors), 1 from four on or if unknown."""
        whole = self.whole
        if not whole:
            return 0.0
        z = self.z(self.base_totals[node] / whole, self.tree.totals[node] / whole)
        return 1.0 if z is None else max(0.0, min(1.0, (abs(z) - _Z_UNSURE) / (_Z_SURE - _Z_UNSURE)))

    def z(self, base: float, new: float, design_effect: float | None = None) -> float | None:
        """How many standard errors lie between two shares of this diff; None where it cannot be told."""
        if self.samples is None:
            return None
        effect = design_effect or self.design_effect
        base_count, new_count = self._counts(base, new)
        if self.normalized:
            return two_proportion_z(base_count, self.samples[0], new_count, self.samples[1], effect)
        return count_z(base_count, new_count, effect)

    def interval(
        self, base: float, new: float, design_effect: float | None = None
    ) -> tuple[float, float] | None:
        """The 95 % interval of new share minus base share; None where it cannot be told."""
        if self.samples is None:
            return None
        effect = design_effect or self.design_effect
        base_count, new_count = self._counts(base, new)
        if self.normalized:
            return newcombe(base_count, self.samples[0], new_count, self.samples[1], design_effect=effect)
        half = Z95 * math.sqrt((base_count + new_count) * effect) / self.samples[0]
        return new - base - half, new - base + half

    def _counts(self, base: float, new: float) -> tuple[float, float]:
        """Samples behind two shares; where new is not normalised, of equal times."""
        assert self.samples is not None
        if self.normalized:
            return base * self.samples[0], new * self.samples[1]
        whole = self.whole
        return base * whole / self.total_base * self.samples[0], new * whole / self.total_new * self.samples[
            1
        ]

    @cached_property
    def functions(self) -> list[Change]:
        """Every function of either profile, the largest change of the self share first."""
        whole = self.whole or 1
        sums = [
            self.by_name(column)
            for column in (
                self.base,
                self.tree.weights,
                self.outermost(self.base_totals),
                self.outermost(self.tree.totals),
            )
        ]
        changes = []
        for name_id in sums[0]:
            base, new, base_total, new_total = (by_name[name_id] / whole for by_name in sums)
            name = self.tree.names[name_id].decode("utf-8", "replace")
            changes.append(Change(name, base, new, base_total, new_total, self.z(base, new), name_id))
        return sorted(
            changes, key=lambda change: (-abs(change.growth), -abs(change.total_growth), change.name)
        )

    def by_name(self, column: Sequence[float]) -> dict[int, float]:
        """A column of node weights added up by name id; the root belongs to none."""
        name = self.tree.name
        sums = dict.fromkeys(name[1:], 0.0)
        for node in range(1, len(name)):
            if column[node]:
                sums[name[node]] += column[node]
        return sums

    def outermost(self, totals: Sequence[float]) -> list[float]:
        """The column with 0 at every frame inside another of its name: what remains counts recursion once."""
        return [total if outer else 0 for total, outer in zip(totals, self._is_outermost, strict=True)]

    @cached_property
    def _is_outermost(self) -> bytearray:
        """By node, 1 unless an ancestor has the same name: one walk with a count of the open calls."""
        tree, children = self.tree, self.tree.children()
        outermost = bytearray(len(tree))
        open_calls = [0] * len(tree.names)
        pending = children[ROOT][:]
        while pending:
            node = pending.pop()
            if node < 0:
                open_calls[tree.name[~node]] -= 1
                continue
            name = tree.name[node]
            outermost[node] = not open_calls[name]
            open_calls[name] += 1
            pending.append(~node)
            pending.extend(children[node])
        return outermost

    def summary(self, n: int = 10) -> str:
        """The text that comes before any picture: the n functions that grew most and that shrank most.

        Each with its change in points, and how sure that is. Raises OptionError for a negative n.
        """
        if n < 0:
            raise OptionError(f"The number of functions is {n}; it must be 0 or more.")
        from flamegraph.report import diff_text

        return diff_text(self, n)


def diff(
    base: Profile, new: Profile, normalize: bool = True, *, design_effect: float = DESIGN_EFFECT
) -> Diff:
    """Compares two profiles of one unit; the time taken is linear in their nodes.

    `normalize` scales base to new's total; it does nothing where either is empty. `design_effect` says how
    much more shares vary from run to run than independent samples would. Raises OptionError for units that
    differ.
    """
    return pooled_diff((base,), new, normalize, design_effect=design_effect)


def pooled_diff(
    bases: Sequence[Profile], new: Profile, normalize: bool = True, *, design_effect: float = DESIGN_EFFECT
) -> Diff:
    """As `diff`, with base pooled of one or more profiles: their sum, or their mean if not normalised."""
    for base in bases:
        if base.unit != new.unit:
            raise OptionError(
                f"The base is in {base.unit} and the new profile in {new.unit}; compare one unit."
            )
    tree, *runs = union((new, *bases))
    both = bool(new.total and any(run.total for run in runs))
    samples = _samples(bases, new) if both else None
    return Diff(tree, runs, normalized=normalize and both, samples=samples, design_effect=design_effect)


def _samples(bases: Sequence[Profile], new: Profile) -> tuple[float, float] | None:
    base_counts = [sample_count(base) for base in bases]
    new_count = sample_count(new)
    if not new_count or not all(base_counts):
        return None
    return math.fsum(count for count in base_counts if count), new_count


def sample_count(profile: Profile) -> float | None:
    """How many samples a profile rests on: its total if it counts samples, else its metadata's `samples`."""
    if profile.unit == "samples":
        return profile.total
    try:
        return float(profile.metadata["samples"])
    except (KeyError, ValueError):
        return None


def _plus(weights: Sequence[Weight]) -> Weight:
    return sum(weights) if all(type(weight) is int for weight in weights) else math.fsum(weights)
