"""Comparisons small enough to follow by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from flamegraph.profile import Profile, Weight

Stacks = Sequence[tuple[Sequence[str], Weight]]


class Function(NamedTuple):
    """A function before and now, in shares."""

    name: str
    base: float
    new: float
    base_total: float
    new_total: float


class Pair:
    """Two profiles over one tree. Every change is certain, but for functions named in `noise`."""

    def __init__(self, base: Stacks, new: Stacks, noise: Sequence[str] = ()) -> None:
        self.tree = Profile.from_stacks([*new, *((stack, 0) for stack, _ in base)])
        union = Profile.from_stacks([*((stack, 0) for stack, _ in new), *base])
        before = {tuple(map(union.text, union.path(node))): node for node in range(len(union))}
        places = [before[tuple(map(self.tree.text, self.tree.path(node)))] for node in range(len(self.tree))]
        scale = self.tree.total / union.total if union.total and self.tree.total else 1
        self.base = [union.weights[node] * scale for node in places]
        self.base_totals = [union.totals[node] * scale for node in places]
        self.whole = float(self.tree.total or union.total)
        self.noise = noise

    @property
    def functions(self) -> list[Function]:
        """The functions of either, by the change of their own share."""
        own: dict[str, list[float]] = {}
        for node in range(1, len(self.tree)):
            columns = (self.base, self.tree.weights, self.base_totals, self.tree.totals)
            sums = own.setdefault(self.tree.text(node), [0.0] * 4)
            for at, column in enumerate(columns):
                sums[at] += column[node] / self.whole
        functions = [Function(name, *shares) for name, shares in own.items()]
        return sorted(functions, key=lambda one: (-abs(one.new - one.base), one.name))

    def change(self, node: int) -> float:
        """Binary logarithm, held to -2..2."""
        new, base = self.tree.totals[node], self.base_totals[node]
        if not new or not base:
            return 2.0 * (bool(new) - bool(base))
        return max(-2.0, min(2.0, math.log2(new / base)))

    def significance(self, node: int) -> float:
        """Certain or noise."""
        return 0.0 if self.tree.text(node) in self.noise else 1.0

    def is_new(self, node: int) -> bool:
        """In new alone."""
        return bool(self.tree.totals[node]) and not self.base_totals[node]

    def is_vanished(self, node: int) -> bool:
        """In base alone."""
        return bool(self.base_totals[node]) and not self.tree.totals[node]


def small(noise: Sequence[str] = ()) -> Pair:
    """`grown` doubles, `gone` vanishes, `fresh` is new, `same` stays: of 100 in base and of 200 in new."""
    base = [
        (("main", "grown"), 20),
        (("main", "gone", "deep"), 30),
        (("main", "same"), 40),
        (("shrunk",), 10),
    ]
    new = [
        (("main", "grown"), 80),
        (("main", "fresh"), 35),
        (("main", "same"), 80),
        (("shrunk",), 5),
    ]
    return Pair(base, new, noise)
