"""`Blame`: growth put where it arose, so that callers do not answer for their callees.

The growth of each function is its own weight's, over the whole profile. Where the function is called from
several places, its net growth belongs to the places where it grew: code that only moved to another caller
adds nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from flamegraph.diff import Diff
from flamegraph.profile import ROOT


class Blame:
    """Net growth of own weights, node by node, less what has been explained. Shares of the diff's whole."""

    def __init__(self, diff: Diff, explained: Collection[int]) -> None:
        """`explained` are ids of functions whose own growth is told already."""
        self._diff = diff
        self._growth = _net_growth(diff, explained)
        self._beneath: dict[int, float] | None = None

    def beneath(self, name_id: int) -> float:
        """The growth that arose in a function and all it calls, negative where they shrank."""
        if self._beneath is None:
            totals = self._growth[:]
            parent = self._diff.tree.parent
            for node in range(len(totals) - 1, ROOT, -1):
                totals[parent[node]] += totals[node]
            self._beneath = self._diff.by_name(self._diff.outermost(totals))
        return self._beneath.get(name_id, 0.0)

    def explain(self, name_id: int) -> None:
        """Takes a function and all it calls out of what is left to explain."""
        tree = self._diff.tree
        explained = bytearray(len(tree))
        for node in range(1, len(tree)):
            if explained[tree.parent[node]] or tree.name[node] == name_id:
                explained[node] = 1
                self._growth[node] = 0.0
        self._beneath = None


def _net_growth(diff: Diff, explained: Collection[int]) -> list[float]:
    whole = diff.whole
    growth = [(new - base) / whole for new, base in zip(diff.tree.weights, diff.base, strict=True)]
    grown = diff.by_name([max(0.0, change) for change in growth])
    shrunk = diff.by_name([min(0.0, change) for change in growth])
    upwards, downwards = {}, {}
    for name_id, up in grown.items():
        net = 0.0 if name_id in explained else up + shrunk[name_id]
        upwards[name_id] = net / up if net > 0 else 0.0
        downwards[name_id] = net / shrunk[name_id] if net < 0 else 0.0
    growth[ROOT] = 0.0
    for node in range(1, len(growth)):
        factors = upwards if growth[node] > 0 else downwards
        growth[node] *= factors[diff.tree.name[node]]
    return growth
