"""The hottest functions as an HTML table, or in a comparison those whose share of the whole moved most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from flamegraph.profile import Profile, Weight
from flamegraph.text import escape, shown_name
from flamegraph.units import format_share, format_value

if TYPE_CHECKING:
    from flamegraph.comparison import Comparison


class _Column(NamedTuple):
    """One column of the table: its heading, what it sorts by and what it shows, row by row."""

    head: str
    values: Sequence[Weight]
    shown: list[str]


def table(profile: Profile | Comparison, si: bool, rows: int) -> Iterator[str]:
    """The heading and the table; nothing for a profile without functions."""
    if isinstance(profile, Profile):
        tree, told = profile, "hottest"
        names, columns = _hottest(profile, si, rows)
    else:
        tree, told = profile.tree, "most changed"
        names, columns = _most_changed(profile, rows)
    if names:
        count = (
            f"The {len(names):,} {told} functions" if len(names) == rows else f"All {len(names):,} functions"
        )
        whole = format_value(tree.total, tree.unit, si)
        yield from _markup(names, columns, f"{count}; the whole is {whole}.")


def _hottest(profile: Profile, si: bool, rows: int) -> tuple[list[str], list[_Column]]:
    hot = profile.top(rows)
    whole = profile.total
    columns = []
    for head, values in (("Self", [one.self for one in hot]), ("Total", [one.total for one in hot])):
        columns.append(_Column(head, values, [format_value(value, profile.unit, si) for value in values]))
        columns.append(_Column(f"{head} %", values, [format_share(value, whole) for value in values]))
    return [shown_name(one.name) for one in hot], columns


def _most_changed(comparison: Comparison, rows: int) -> tuple[list[str], list[_Column]]:
    """Functions by how much their share of the whole moved, by themselves and with all they call."""
    moved = comparison.functions[:rows]
    columns: list[_Column] = []
    for head, before, now in (
        ("Self", [one.base for one in moved], [one.new for one in moved]),
        ("Total", [one.base_total for one in moved], [one.new_total for one in moved]),
    ):
        points = [new - base for base, new in zip(before, now, strict=True)]
        columns.append(_Column(f"{head} before", before, [f"{share:.2%}" for share in before]))
        columns.append(_Column(f"{head} now", now, [f"{share:.2%}" for share in now]))
        columns.append(_Column(f"{head} points", points, [f"{100 * share:+.2f}" for share in points]))
    return [shown_name(one.name) for one in moved], columns


def _markup(names: list[str], columns: list[_Column], caption: str) -> Iterator[str]:
    yield '<h2 id="functions">Functions</h2>\n'
    # What can be scrolled must be reachable by keyboard.
    yield '<div class="scroll" tabindex="0" role="region" aria-labelledby="functions">\n'
    yield f'<table class="hottest">\n<caption>{escape(caption)}</caption>\n'
    yield '<thead><tr><th scope="col">Function</th>'
    yield from (f'<th scope="col">{escape(column.head)}</th>' for column in columns)
    yield "</tr></thead>\n<tbody>\n"
    for row, name in enumerate(names):
        yield f"<tr><td>{escape(name)}</td>"
        for column in columns:
            yield f'<td data-value="{column.values[row]:.9g}">{escape(column.shown[row])}</td>'
        yield "</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"
