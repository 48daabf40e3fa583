"""A page around the picture: the flame graph, and the hottest functions as a table to read and to sort.

The page names its own scripts and styles by hash in a content security policy, so that nothing a profile
holds could run even if it were taken for markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flamegraph.assets import page_script, picture_script
from flamegraph.csp import csp_hash
from flamegraph.errors import OptionError
from flamegraph.palettes import Palette
from flamegraph.profile import ROOT, Profile, Weight
from flamegraph.style import page_style, picture_style
from flamegraph.subject import Comparison
from flamegraph.summary import provenance, vanished
from flamegraph.svg import Look, Texts, checked_look, picture, subject_of
from flamegraph.text import escape, shown_name
from flamegraph.units import format_share, format_value


class _Column(NamedTuple):
    """One column of the table: its heading, what it sorts by and what it shows, row by row."""

    head: str
    values: list[Weight]
    shown: list[str]


def render_html(
    profile: Profile | Comparison,
    *,
    title: str = "Flame graph",
    subtitle: str = "",
    notes: Sequence[str] = (),
    width: int = 1200,
    min_width: float = 0.1,
    direction: str = "flame",
    palette: str = "hot",
    widths: str = "new",
    script: str = "inline",
    si: bool = False,
    rows: int = 100,
) -> str:
    """A page of its own with the picture of `svg.render` and a table of the `rows` hottest functions.

    A function's total counts it once a stack however often it calls itself. The table can be sorted and a
    name in it found in the picture; with `script="none"` it can be read. An address for `script` is for the
    picture's script; the table's is inline. Arguments and errors are those of `svg.render`, and OptionError
    for a negative number of rows.
    """
    if rows < 0:
        raise OptionError(f"The table is to have {rows} rows; it can have 0 or more.")
    look = checked_look(width, min_width, direction, palette, widths, script, si)
    subject = subject_of(profile, look)
    tree = profile if isinstance(profile, Profile) else profile.tree
    texts = Texts(title, subtitle, tuple(notes), bare=True)
    return "".join(
        [
            "<!DOCTYPE html>\n",
            '<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_policy(script, subject.palette))}">\n',
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n',
            f"<title>{escape(title)}</title>\n<style>{page_style()}</style>\n</head>\n<body>\n",
            f"<header>\n<h1>{escape(title)}</h1>\n",
            f"<p>{escape(subtitle)}</p>\n" if subtitle else "",
            '</header>\n<main>\n<div class="fluid">\n',
            picture(subject, look, texts),
            "</div>\n",
            *(f"<p>{escape(note)}</p>\n" for note in (*notes, *_own_notes(profile, tree))),
            *_table(tree, _columns(profile, look, rows), rows),
            "</main>\n",
            "" if script == "none" else f"<script>{page_script()}</script>\n",
            "</body>\n</html>\n",
        ]
    )


def _policy(script: str, palette: Palette) -> str:
    """Nothing is loaded but what the page names itself."""
    scripts = {
        "none": ["'none'"],
        "inline": [csp_hash(picture_script()), csp_hash(page_script())],
    }.get(script, [script if "://" in script else "'self'", csp_hash(page_script())])
    styles = [csp_hash(page_style()), csp_hash(picture_style(palette))]
    return f"default-src 'none'; script-src {' '.join(scripts)}; style-src {' '.join(styles)}"


def _own_notes(profile: Profile | Comparison, tree: Profile) -> Iterator[str]:
    gone = "" if isinstance(profile, Profile) else vanished(profile)
    yield from (note for note in (gone, provenance(tree)) if note)


def _columns(profile: Profile | Comparison, look: Look, rows: int) -> tuple[list[str], list[_Column]]:
    if isinstance(profile, Profile):
        return _hottest(profile, look.si, rows)
    return _most_changed(profile, rows)


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
    tree = comparison.tree
    base = Profile(tree.parent, tree.name, comparison.base, tree.names, tree.unit)
    sides = [{one.name: one for one in side.top(len(tree.names))} for side in (base, tree)]
    wholes = [comparison.base_totals[ROOT] or 1, tree.total or 1]

    def shares(name: str, of: str) -> tuple[float, float]:
        before, now = (
            100 * getattr(side[name], of) / whole if name in side else 0.0
            for side, whole in zip(sides, wholes, strict=True)
        )
        return before, now

    def moved(name: str, of: str = "self") -> float:
        before, now = shares(name, of)
        return now - before

    def rank(name: str) -> tuple[float, float, str]:
        return -abs(moved(name)), -abs(moved(name, "total")), name

    names = sorted({*sides[0], *sides[1]}, key=rank)[:rows]
    columns = []
    for head, of in (("Self", "self"), ("Total", "total")):
        for when, side in (("before", 0), ("now", 1)):
            values: list[Weight] = [shares(name, of)[side] for name in names]
            columns.append(_Column(f"{head} {when}", values, [f"{value:.2f}%" for value in values]))
        points: list[Weight] = [moved(name, of) for name in names]
        columns.append(_Column(f"{head} points", points, [f"{value:+.2f}" for value in points]))
    return [shown_name(name) for name in names], columns


def _table(tree: Profile, table: tuple[list[str], list[_Column]], rows: int) -> Iterator[str]:
    names, columns = table
    if not names:
        return
    told = f"The {len(names):,} hottest functions" if len(names) == rows else f"All {len(names):,} functions"
    yield '<h2 id="hottest">Functions</h2>\n'
    yield '<div class="scroll" tabindex="0" role="region" aria-labelledby="hottest">\n<table class="hottest">\n'
    yield f"<caption>{told}; the whole is {format_value(tree.total, tree.unit)}.</caption>\n"
    yield '<thead><tr><th scope="col">Function</th>'
    yield from (f'<th scope="col">{escape(column.head)}</th>' for column in columns)
    yield "</tr></thead>\n<tbody>\n"
    for row, name in enumerate(names):
        cells = "".join(
            f'<td data-value="{column.values[row]:.9g}">{escape(column.shown[row])}</td>'
            for column in columns
        )
        yield f"<tr><td>{escape(name)}</td>{cells}</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"
