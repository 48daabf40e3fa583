"""What a picture shows, in the terms of drawing: frames with their places, classes and titles.

One profile is drawn by the names of its frames. A comparison is drawn by how the share of each frame changed,
over a tree whose widths may be those of either profile, the larger of both, or the change itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from flamegraph.colors import change_class, coloring
from flamegraph.errors import OptionError
from flamegraph.layout import ROOT_NAME, Layout, check_widths, layout, place, wide_nodes
from flamegraph.palettes import NEW_CLASS, ROOT_CLASS, UNCHANGED, VANISHED_CLASS, Palette, change
from flamegraph.profile import ROOT, Profile, Weight
from flamegraph.record import Record
from flamegraph.text import shown_name
from flamegraph.units import format_share, format_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flamegraph.comparison import Comparison

_REMEMBERED = 1024
WIDTHS = ("new", "base", "max", "delta")


class Shape(Record):
    """One way to spread the frames: the weights their widths stand for, where that puts them, and a name."""

    name: str
    profile: Profile
    placed: Layout


class Subject(Record):
    """All that is drawn. Frames are those of the first shape, row by row; a second one holds the same frames
    in the same order. `names` are the distinct names shown, `name_ids` the name of each frame as an index
    into them, `kinds` the class of each frame."""

    shapes: tuple[Shape, ...]
    palette: Palette
    names: list[str]
    name_ids: list[int]
    kinds: list[int]
    comparison: Comparison | None
    si: bool

    @property
    def profile(self) -> Profile:
        """What the widths stand for."""
        return self.shapes[0].profile

    @property
    def placed(self) -> Layout:
        """Where the frames stand."""
        return self.shapes[0].placed

    def title(self, frame: int) -> str:
        """What a frame is and weighs, in one line."""
        name = self.names[self.name_ids[frame]]
        if self.comparison is not None:
            return f"{name} ({compared(self.comparison, self.placed.nodes[frame])})"
        profile, placed = self.profile, self.placed
        return f"{name} ({_weight(placed.totals[frame], profile.total, profile.unit, self.si)})"


@lru_cache(_REMEMBERED)
def _weight(total: Weight, whole: Weight, unit: str, si: bool) -> str:
    # A frame often weighs what its caller does.
    return f"{format_value(total, unit, si)}, {format_share(total, whole)}"


def of_profile(profile: Profile, palette: str, width: float, min_width: float, si: bool) -> Subject:
    """A profile, coloured by name. Raises OptionError for widths or a palette that make no sense."""
    colors = coloring(palette)
    placed = layout(profile, width, min_width)
    texts, name_ids = _distinct(profile, placed)
    by_name = [ROOT_CLASS, *map(colors.pick, texts[1:])]
    kinds = [by_name[name_id] for name_id in name_ids]
    names = list(map(shown_name, texts))
    return Subject((Shape("", profile, placed),), colors.palette(), names, name_ids, kinds, None, si)


def of_comparison(comparison: Comparison, widths: str, width: float, min_width: float, si: bool) -> Subject:
    """A comparison, coloured by change. `widths` is one of WIDTHS; where some frames have no width in it, a
    second shape shows every frame. Raises OptionError as `of_profile` does."""
    check_widths(width, min_width)
    first, every = _weighed(comparison, widths), _weighed(comparison, "max")
    if not first.total:
        return Subject((Shape(widths, first, Layout(first, 0)),), change(), [], [], [], comparison, si)
    kept = sorted(
        {
            *wide_nodes(first, min_width * first.total / width),
            *wide_nodes(every, min_width * every.total / width),
        }
    )
    shapes = [Shape(widths, first, place(first, width, kept, every.weights))]
    if widths != "max":
        shapes.append(Shape("max", every, place(every, width, kept, every.weights)))
    texts, name_ids = _distinct(first, shapes[0].placed)
    names = list(map(shown_name, texts))
    kinds = [_kind(comparison, node) for node in shapes[0].placed.nodes]
    return Subject(tuple(shapes), change(), names, name_ids, kinds, comparison, si)


def _distinct(profile: Profile, placed: Layout) -> tuple[list[str], list[int]]:
    """The distinct names of the frames, the root's first, and each frame's index among them."""
    texts, ids = [ROOT_NAME], {-1: 0}
    names, name = profile.names, profile.name
    name_ids = [-1 if node == ROOT else name[node] for node in placed.nodes]
    for name_id in name_ids:
        if name_id not in ids:
            ids[name_id] = len(texts)
            texts.append(names[name_id].decode("utf-8", "replace"))
    return texts, [ids[name_id] for name_id in name_ids]


def compared(comparison: Comparison, node: int) -> str:
    """Both shares and what lies between them: `12.00% now, 8.00% before, +4.00 points, x1.50`."""
    whole = comparison.whole or 1
    now = comparison.tree.totals[node] / whole
    before = comparison.base_totals[node] / whole
    if comparison.is_new(node):
        return f"{now:.2%}, new"
    if comparison.is_vanished(node):
        return f"vanished, was {before:.2%}"
    ratio = f", x{now / before:.2f}" if before and now else ""
    sure = "" if comparison.significance(node) > 0 or node == ROOT else ", within noise"
    return f"{now:.2%}, was {before:.2%}, {100 * (now - before):+.2f} points{ratio}{sure}"


def _kind(comparison: Comparison, node: int) -> int:
    if node == ROOT:
        return UNCHANGED
    if comparison.is_new(node):
        return NEW_CLASS
    if comparison.is_vanished(node):
        return VANISHED_CLASS
    return change_class(comparison.change(node), comparison.significance(node))


def _weighed(comparison: Comparison, widths: str) -> Profile:
    """The union tree under the weights that widths are to stand for."""
    tree = comparison.tree
    pairs = zip(tree.weights, comparison.base, strict=True)
    weights: Sequence[Weight]
    if widths == "new":
        return tree
    if widths == "base":
        weights = list(comparison.base)
    elif widths == "max":
        weights = [max(new, base) for new, base in pairs]
    elif widths == "delta":
        weights = [abs(new - base) for new, base in pairs]
    else:
        raise OptionError(f"The widths {widths!r} are not known; choose one of {', '.join(WIDTHS)}.")
    return Profile(tree.parent, tree.name, weights, tree.names, tree.unit, tree.metadata)
