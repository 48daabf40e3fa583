"""Where frames stand: `Profile` -> rows of rectangles, the deepest row last.

A frame's own weight lies left of its children, and siblings stand in the byte order of their lines in a
sorted folded file: the name, followed by a space and the frame's own weight if it has any, by `;` if not.
Frames narrower than `min_width` are left out but keep their room.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import compress, islice

from flamegraph.errors import OptionError
from flamegraph.profile import ROOT, Profile, Weight
from flamegraph.record import Record
from flamegraph.text import shown_name

ROOT_NAME = "all"


class Frame(Record):
    """One rectangle. `x` and `width` in pixels from the root's left edge, `start` in the profile's unit."""

    node: int
    x: float
    width: float
    start: Weight
    total: Weight


class Layout:
    """All rectangles in columns, row by row and each row from left to right.

    nodes    the profile's node of each frame
    starts   where the frame begins, in the profile's unit
    totals   its weight
    kids     how many frames stand on it; they are consecutive in the next row
    gaps     the weight left out between the frame and its left neighbour, or its caller's own weight
    rests    the weight left out on top of the frame
    scale    pixels a unit of weight
    hidden   how many nodes have no frame
    """

    def __init__(self, profile: Profile, scale: float) -> None:
        self.nodes: list[int] = []
        self.starts: list[Weight] = []
        self.totals: list[Weight] = []
        self.kids: list[int] = []
        self.gaps: list[Weight] = []
        self.rests: list[Weight] = []
        self.scale = scale
        self.hidden = len(profile) - 1

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Where each row begins and ends in the columns."""
        spans = []
        begin, end = 0, min(1, len(self.nodes))
        while begin < end:
            spans.append((begin, end))
            begin, end = end, end + sum(self.kids[begin:end])
        return spans

    @cached_property
    def rows(self) -> list[list[Frame]]:
        """The rectangles, a list a row."""
        frames = list(self._frames())
        return [frames[begin:end] for begin, end in self.spans]

    def _frames(self) -> Iterator[Frame]:
        scale = self.scale
        for node, start, total in zip(self.nodes, self.starts, self.totals, strict=True):
            yield Frame(node, start * scale, total * scale, start, total)


def layout(profile: Profile, width: float = 1180, min_width: float = 0.1) -> Layout:
    """Places every frame at least `min_width` wide when the root is `width` wide (both in pixels).

    A profile without weight has no rows. Raises OptionError for a width that is not positive or a negative
    minimum.
    """
    check_widths(width, min_width)
    whole = profile.total
    if not whole:
        return Layout(profile, 0)
    return place(profile, width, wide_nodes(profile, min_width * whole / width), profile.weights)


def check_widths(width: float, min_width: float) -> None:
    """Raises OptionError for widths nothing can be drawn with."""
    if not 0 < width < 1e6:
        raise OptionError(f"The width is {width:g}; it must be more than 0 and under a million pixels.")
    if not 0 <= min_width < 1e6:
        raise OptionError(f"The least width is {min_width:g}; it must be 0 or more, in pixels.")


def wide_nodes(profile: Profile, least: float) -> list[int]:
    """The nodes that weigh at least `least`, and anything at all."""
    return [node for node, total in enumerate(profile.totals) if total >= least and total]


def place(profile: Profile, width: float, kept: Sequence[int], order: Sequence[Weight]) -> Layout:
    """The nodes `kept`, the root and the callers of each among them, side by side.

    `order` are the own weights by which siblings are put in order: pictures of one tree under other weights
    have their frames in the same order when they share it.
    """
    placed = Layout(profile, width / profile.total)
    keep = bytearray(len(profile))
    for node in kept:
        keep[node] = 1
    _place(placed, profile, keep, _siblings(profile, kept, keep, order))
    placed.totals = list(map(profile.totals.__getitem__, placed.nodes))
    placed.hidden = len(profile) - len(placed.nodes)
    return placed


def name_of(profile: Profile, node: int) -> str:
    """The name a frame is drawn with."""
    return ROOT_NAME if node == ROOT else shown_name(profile.text(node))


def _siblings(
    profile: Profile, kept: Sequence[int], keep: bytearray, order: Sequence[Weight]
) -> dict[int, list[int]]:
    """In order, the children of each node that carries frames; those too narrow are needed for their room."""
    parents = profile.parent
    # A list, which gives its items away faster than bytes do.
    carries = [False] * len(keep)
    for node in kept:
        if node != ROOT:
            carries[parents[node]] = True
    siblings: dict[int, list[int]] = {}
    for node in compress(range(1, len(keep)), map(carries.__getitem__, islice(parents, 1, None))):
        parent = parents[node]
        if parent in siblings:
            siblings[parent].append(node)
        else:
            siblings[parent] = [node]
    names, name = profile.names, profile.name

    def line(node: int) -> bytes:
        weight = order[node]
        return names[name[node]] + (f" {weight}".encode() if weight else b";")

    for group in siblings.values():
        if len(group) > 1:
            group.sort(key=line)
    return siblings


def _place(placed: Layout, profile: Profile, keep: bytearray, siblings: dict[int, list[int]]) -> None:
    # One loop over all frames in the order in which they are added: what a frame carries is added at the end.
    weights, totals = profile.weights, profile.totals
    nodes, starts, kids, gaps, rests = placed.nodes, placed.starts, placed.kids, placed.gaps, placed.rests
    nodes.append(ROOT)
    starts.append(0)
    gaps.append(0)
    for node, start in zip(nodes, starts, strict=False):
        if node not in siblings:
            kids.append(0)
            rests.append(totals[node] - weights[node])
            continue
        at = start + weights[node]
        before = len(nodes)
        gap: Weight = 0
        rest: Weight = 0
        for kid in siblings[node]:
            if keep[kid]:
                nodes.append(kid)
                starts.append(at)
                gaps.append(gap)
                gap = 0
            else:
                gap += totals[kid]
                rest += totals[kid]
            at += totals[kid]
        kids.append(len(nodes) - before)
        rests.append(rest)
