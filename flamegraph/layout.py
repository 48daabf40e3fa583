"""Where frames stand: `Profile` -> rows of rectangles, the deepest row last.

A frame's own weight lies left of its children, and siblings stand in the byte order of their lines in a
sorted folded file: the name, followed by a space and the frame's own weight if it has any, by `;` if not.
Frames narrower than `min_width` are left out but keep their room.
"""

from __future__ import annotations

from typing import NamedTuple

from flamegraph.errors import OptionError
from flamegraph.profile import ROOT, Profile, Weight
from flamegraph.text import shown_name

ROOT_NAME = "all"


class Frame(NamedTuple):
    """One rectangle. `x` and `width` in pixels from the root's left edge, `start` in the profile's unit."""

    node: int
    x: float
    width: float
    start: Weight
    total: Weight


class Layout(NamedTuple):
    """All rectangles by depth, each row from left to right, and how many were too narrow."""

    rows: list[list[Frame]]
    hidden: int


def layout(profile: Profile, width: float = 1180, min_width: float = 0.1) -> Layout:
    """Places every frame at least `min_width` wide when the root is `width` wide (both in pixels).

    A profile without weight has no rows. Raises OptionError for a width that is not positive or a negative
    minimum.
    """
    if not 0 < width < 1e6:
        raise OptionError(f"The width is {width:g}; it must be more than 0 and under a million pixels.")
    if not 0 <= min_width < 1e6:
        raise OptionError(f"The least width is {min_width:g}; it must be 0 or more, in pixels.")
    whole = profile.total
    if not whole:
        return Layout([], len(profile) - 1)
    scale = width / whole
    children = _children(profile, min_width / scale)
    row = [Frame(ROOT, 0.0, float(width), 0, whole)]
    rows = []
    drawn = 0
    while row:
        rows.append(row)
        drawn += len(row)
        row = _next_row(profile, row, children, scale, min_width / scale)
    return Layout(rows, len(profile) - drawn)


def name_of(profile: Profile, node: int) -> str:
    """The name a frame is drawn with."""
    return ROOT_NAME if node == ROOT else shown_name(profile.text(node))


def _children(profile: Profile, least: float) -> dict[int, list[int]]:
    """Children of the nodes that are drawn; those too narrow themselves are needed for the room they take."""
    totals, parents = profile.totals, profile.parent
    children: dict[int, list[int]] = {}
    for node in range(1, len(parents)):
        parent = parents[node]
        if totals[parent] >= least and totals[node]:
            children.setdefault(parent, []).append(node)
    return children


def _next_row(
    profile: Profile, row: list[Frame], children: dict[int, list[int]], scale: float, least: float
) -> list[Frame]:
    weights, totals = profile.weights, profile.totals
    above = []
    for frame in row:
        start = frame.start + weights[frame.node]
        for node in _in_order(profile, children.get(frame.node, [])):
            total = totals[node]
            if total >= least:
                above.append(Frame(node, start * scale, total * scale, start, total))
            start += total
    return above


def _in_order(profile: Profile, siblings: list[int]) -> list[int]:
    if len(siblings) < 2:
        return siblings
    names, name, weights = profile.names, profile.name, profile.weights

    def line(node: int) -> bytes:
        weight = weights[node]
        return names[name[node]] + (f" {weight}".encode() if weight else b";")

    return sorted(siblings, key=line)
