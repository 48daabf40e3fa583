"""`Profile`: a call tree in columns, the one value every reader makes and every picture is drawn from.

Node 0 is the root and stands for the whole; it has no name of its own. Parents come before their children,
so totals need one pass from the last node to the first. Names stay bytes until something is drawn: most
nodes of a large profile are too narrow ever to be seen.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice

from flamegraph.errors import InputError
from flamegraph.units import check_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flamegraph.hot import Hot

Weight = int | float
ROOT = 0
_TOO_HEAVY = 1 << 63


class Profile:
    """An immutable weighted call tree.

    parent[i]   index of the caller, smaller than i; -1 for the root
    name[i]     index into `names`
    weights[i]  what the node itself weighs, without its children, in `unit`
    metadata    where the profile comes from, free text by key
    """

    def __init__(
        self,
        parent: Sequence[int],
        name: Sequence[int],
        weights: Sequence[Weight],
        names: Sequence[bytes],
        unit: str = "samples",
        metadata: dict[str, str] | None = None,
    ) -> None:
        self.parent = parent
        self.name = name
        self.weights = weights
        self.names = names
        self.unit = check_unit(unit)
        self.metadata = dict(metadata or {})

    def __len__(self) -> int:
        """The number of nodes, the root included."""
        return len(self.parent)

    @classmethod
    def from_stacks(
        cls,
        stacks: Iterable[tuple[Sequence[str], Weight]],
        unit: str = "samples",
        metadata: dict[str, str] | None = None,
    ) -> Profile:
        """A profile of (frames from the outermost caller inwards, weight) pairs; equal stacks are added up.

        Raises InputError for a weight that is negative, not a finite number, or 2^63 or more, and for what is
        no such pair.
        """
        tree = TreeBuilder()
        if not isinstance(stacks, Iterable):
            raise InputError(
                f"{stacks!r:.60} is no list of stacks; pairs of frames and a weight are expected."
            )
        for stack in stacks:
            try:
                _add_stack(tree, *stack)
            except (AttributeError, TypeError) as error:
                raise InputError(
                    f"{stack!r:.80} is no stack; a pair of frames, outermost first, and a weight is "
                    "expected, as in (('main', 'work'), 12)."
                ) from error
        return tree.build(unit, metadata)

    @property
    def total(self) -> Weight:
        """The weight of everything."""
        return self.totals[ROOT]

    @cached_property
    def totals(self) -> list[Weight]:
        """Weight of every node with all its descendants."""
        if self.fractional:
            return _exact_totals(self.weights, self.parent)
        totals = list(self.weights)
        add_to_parents(totals, self.parent)
        return totals

    def text(self, node: int) -> str:
        """The node's name as text; bytes that are not UTF-8 become U+FFFD."""
        return self.names[self.name[node]].decode("utf-8", "replace")

    def top(self, n: int) -> list[Hot]:
        """The n functions with the largest weight of their own, largest first."""
        from flamegraph.hot import Hot

        own = self.self_by_name()
        whole = self._totals_by_name()
        order = sorted(own, key=lambda name: (-own[name], -whole[name], self.names[name]))
        return [Hot(self.names[i].decode("utf-8", "replace"), own[i], whole[i]) for i in order[:n]]

    def self_by_name(self) -> dict[int, Weight]:
        """Own weight of every function, by name id; the root's own weight belongs to none."""
        if self.fractional:
            return self._exact_self_by_name()
        own: list[Weight] = [0] * len(self.names)
        for name, weight in islice(zip(self.name, self.weights, strict=True), 1, None):
            own[name] += weight
        return {name: own[name] for name in dict.fromkeys(self.name[1:])}

    def _exact_self_by_name(self) -> dict[int, Weight]:
        parts: dict[int, list[Weight]] = {}
        for name, weight in zip(self.name[1:], self.weights[1:], strict=True):
            parts.setdefault(name, []).append(weight)
        return {name: math.fsum(weights) for name, weights in parts.items()}

    @cached_property
    def fractional(self) -> bool:
        """Whether any weight is not a whole number."""
        return float in set(map(type, self.weights))

    def stacks(self) -> Iterator[tuple[tuple[str, ...], Weight]]:
        """Every stack that has weight of its own, as (frames from the outermost caller inwards, weight)."""
        for node, weight in enumerate(self.weights):
            if weight:
                yield tuple(self.text(at) for at in self.path(node)), weight

    def path(self, node: int) -> list[int]:
        """The nodes from the outermost caller to `node`, without the root."""
        path = []
        while node > ROOT:
            path.append(node)
            node = self.parent[node]
        path.reverse()
        return path

    def children(self) -> list[list[int]]:
        """For every node the list of its children, in the order they were added."""
        lists: list[list[int]] = [[] for _ in self.parent]
        for node in range(1, len(self.parent)):
            lists[self.parent[node]].append(node)
        return lists

    def _totals_by_name(self) -> dict[int, Weight]:
        children = self.children()
        whole: dict[int, Weight] = {}
        open_calls: dict[int, int] = {}
        pending = children[ROOT][:]
        while pending:
            node = pending.pop()
            if node < 0:
                open_calls[self.name[~node]] -= 1
                continue
            name = self.name[node]
            depth = open_calls.get(name, 0)
            whole[name] = whole.get(name, 0) + (0 if depth else self.totals[node])
            open_calls[name] = depth + 1
            pending.append(~node)
            pending.extend(children[node])
        return whole


class TreeBuilder:
    """Columns that grow: what readers fill and then turn into a `Profile`."""

    def __init__(self) -> None:
        self.parent = [-1]
        self.name = [0]
        self.weights: list[Weight] = [0]
        self.names = [b""]
        self._name_ids: dict[bytes, int] = {}
        self._nodes: dict[tuple[int, bytes], int] = {}
        self._fractions: dict[int, list[float]] = {}

    def append(self, parent: int, name: bytes) -> int:
        """A new node below `parent`; the caller knows that there is none of this name yet."""
        name_id = self._name_ids.get(name)
        if name_id is None:
            name_id = self._name_ids[name] = len(self.names)
            self.names.append(name)
        self.parent.append(parent)
        self.name.append(name_id)
        self.weights.append(0)
        return len(self.parent) - 1

    def child(self, parent: int, name: bytes) -> int:
        """The node of this name below `parent`, new or known."""
        node = self._nodes.get((parent, name))
        if node is None:
            node = self._nodes[parent, name] = self.append(parent, name)
        return node

    def add(self, node: int, weight: Weight) -> None:
        """Adds weight to a node. Fractions are kept apart and summed exactly at the end: a profile
        must not depend on the order of its stacks, and plain floating point addition does."""
        if isinstance(weight, int):
            self.weights[node] += weight
        else:
            self._fractions.setdefault(node, []).append(weight)

    def build(self, unit: str, metadata: dict[str, str] | None = None) -> Profile:
        """The finished profile; the builder must not be used again."""
        for node, fractions in self._fractions.items():
            self.weights[node] = math.fsum([self.weights[node], *fractions])
        return Profile(
            array("q", self.parent), array("q", self.name), self.weights, self.names, unit, metadata
        )


def _add_stack(tree: TreeBuilder, frames: Sequence[str], weight: Weight) -> None:
    if isinstance(frames, str):
        # It would pass for a frame a letter.
        raise TypeError
    if not 0 <= weight < _TOO_HEAVY:
        raise InputError(
            f"A stack weighs {weight!r:.40}; a weight is a finite number, zero or more, under 2^63."
        )
    node = ROOT
    for frame in frames:
        node = tree.child(node, frame.encode("utf-8", "surrogatepass"))
    tree.add(node, weight)


def add_to_parents(totals: list[Weight], parent: Sequence[int]) -> None:
    """Turns weights of nodes into weights with all descendants, in place."""
    # Both run backwards over columns that change on the way: a node comes after all its descendants.
    upwards = zip(reversed(parent), reversed(totals), strict=True)
    for above, total in islice(upwards, len(totals) - 1):
        totals[above] += total


def _exact_totals(weights: Sequence[Weight], parent: Sequence[int]) -> list[Weight]:
    """Totals of fractional weights, rounded once: every float is a whole multiple of some power of two."""
    ratios = [weight.as_integer_ratio() for weight in weights]
    unit = max(denominator for _, denominator in ratios)
    totals: list[Weight] = [numerator * (unit // denominator) for numerator, denominator in ratios]
    add_to_parents(totals, parent)
    return [total / unit for total in totals]
