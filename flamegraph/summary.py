"""A picture in words: the description for readers who cannot see it, the status line, the provenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import islice

from flamegraph.layout import name_of
from flamegraph.profile import ROOT, Profile, Weight
from flamegraph.subject import Subject, compared
from flamegraph.text import shown_name
from flamegraph.units import format_share, format_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flamegraph.comparison import Comparison

_HOTTEST = 5
#: Below this share a frame is not worth a word.
_WORTH_NAMING = 0.0001
#: When this share of the weight is in frames that are not drawn, the picture says what to do.
_MOSTLY = 0.5
_WIDTHS = {
    "": "",
    "new": "",
    "base": "Widths before: ",
    "max": "Widths, the larger of before and now: ",
    "delta": "Widths by change: ",
}
_VANISHED_NAMED = 5


def description(subject: Subject) -> str:
    """The total, the largest functions or changes, and where the profile comes from."""
    profile = subject.profile if subject.comparison is None else subject.comparison.tree
    lines = list(_metadata(profile))
    if not profile.total:
        return "\n".join(["No samples.", *lines])
    total = f"Total: {format_value(profile.total, profile.unit, subject.si)}."
    if subject.comparison is None:
        return "\n".join([total, _hottest(profile), *lines])
    return "\n".join([total, *_changes(subject.comparison), *lines])


def status(subject: Subject, min_width: float) -> str:
    """What is drawn and what is not."""
    profile, placed = subject.profile, subject.placed
    if not placed.nodes:
        return format_value(0, profile.unit, subject.si)
    drawn = sum(1 for total in placed.totals if total)
    whole = format_value(profile.total, profile.unit, subject.si)
    told = f"{_WIDTHS[subject.shapes[0].name]}{whole} in {drawn:,} frames"
    return f"{told}; {placed.hidden:,} under {min_width:g} px not drawn" if placed.hidden else told


def undrawn(subject: Subject, min_width: float) -> str:
    """What to do where most of the weight ends in frames too narrow to draw; empty where it does not."""
    placed, whole = subject.placed, subject.profile.total
    # A stack is cut short once at most, where its frames get too narrow.
    cut = sum(placed.rests)
    if not placed.hidden or cut < _MOSTLY * whole:
        return ""
    return (
        f"Most is in frames too narrow to see: the stacks of {format_share(cut, whole)} end in frames under "
        f"{min_width:g} px, which are not drawn. The table of the page (format html) and `flamegraph top` "
        "name the functions; a lower least width draws more."
    )


def provenance(profile: Profile) -> str:
    """The metadata in one line, empty if there is none."""
    return "  ·  ".join(_metadata(profile))


def vanished(comparison: Comparison) -> str:
    """The largest frames that only the base has, outermost only; empty if there are none."""
    tree, base = comparison.tree, comparison.base_totals
    gone = [
        node
        for node in range(1, len(tree))
        if comparison.is_vanished(node)
        and not _is_vanished_caller(comparison, tree.parent[node])
        and base[node]
    ]
    if not gone:
        return ""
    least = comparison.whole * _WORTH_NAMING
    largest = [
        node
        for node in nsmallest(_VANISHED_NAMED, gone, key=lambda node: (-base[node], node))
        if base[node] >= least
    ]
    named = [f"{name_of(tree, node)} ({format_share(base[node], comparison.whole)})" for node in largest]
    rest = len(gone) - len(largest)
    if rest:
        named.append(f"{rest:,} more" if named else f"{rest:,} frames, each less than 0.01%")
    return f"Vanished: {', '.join(named)}"


def _is_vanished_caller(comparison: Comparison, node: int) -> bool:
    return node != ROOT and comparison.is_vanished(node)


def _metadata(profile: Profile) -> Iterator[str]:
    for key in sorted(profile.metadata):
        yield f"{key.replace('_', ' ')}: {profile.metadata[key]}"


def _hottest(profile: Profile) -> str:
    own = _own_by_name(profile)
    least = sorted(own, reverse=True)[:_HOTTEST][-1]
    near = [name for name, weight in enumerate(own) if weight >= least]
    largest = sorted(near, key=lambda name: (-own[name], profile.names[name]))[:_HOTTEST]
    texts = {name: shown_name(profile.names[name].decode("utf-8", "replace")) for name in largest}
    shares = [f"{texts[name]} {format_share(own[name], profile.total)}" for name in largest if own[name]]
    return f"Largest by themselves: {', '.join(shares)}."


def _own_by_name(profile: Profile) -> Sequence[Weight]:
    """As `Profile.self_by_name`, in less time: for five names of a hundred thousand nodes."""
    own: list[Weight] = [0] * len(profile.names)
    for name, weight in islice(zip(profile.name, profile.weights, strict=True), 1, None):
        own[name] += weight
    return own


def _changes(comparison: Comparison) -> Iterator[str]:
    """The frames whose share of the whole moved most."""
    tree = comparison.tree
    moved = [now - before for now, before in zip(tree.totals, comparison.base_totals, strict=True)]
    largest = nsmallest(_HOTTEST, range(1, len(tree)), key=lambda node: (-abs(moved[node]), node))
    for node in largest:
        if moved[node]:
            yield f"{name_of(tree, node)}: {compared(comparison, node)}."
