"""The picture: `Profile` -> one SVG document, complete without its script and without a network.

All text goes through `escape`; the script and the style sheet are constant, so that a content security policy
can name them by hash. Frame data for the script stands in a JSON block in which `<`, `>` and `&` are escaped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from heapq import nsmallest

from flamegraph.colors import LIGHT, color_class, stylesheet
from flamegraph.errors import OptionError
from flamegraph.layout import Frame, Layout, layout, name_of
from flamegraph.profile import ROOT, Profile
from flamegraph.text import cells, escape, fit, wrap
from flamegraph.units import format_share, format_value

PAD = 10
ROW = 16
LEAST_WIDTH = 200
_CELL = 6.65
_LABEL_PAD = 3
_TITLE_CELL = 11.0
_SUBTITLE_CELL = 7.6
_TOOLS = 300
_STROKED = 3.0
_TITLED = 0.005
_HOTTEST = 5


def render(
    profile: Profile,
    *,
    title: str = "Flame graph",
    subtitle: str = "",
    notes: Sequence[str] = (),
    width: int = 1200,
    min_width: float = 0.1,
) -> str:
    """An interactive SVG, `width` pixels wide with ten pixels of margin at either side.

    Frames narrower than `min_width` pixels are not drawn. `notes` are lines under the picture: how the
    profile was taken, what was left out. The result depends on the arguments alone, byte for byte.
    Raises OptionError for a width under 200 or a negative `min_width`.
    """
    if width < LEAST_WIDTH:
        raise OptionError(f"The picture is {width:g} pixels wide; it needs {LEAST_WIDTH} or more.")
    placed = layout(profile, width - 2 * PAD, min_width)
    head = [_title(title, width), *_subtitle(subtitle, width)]
    top = 58 if subtitle else 42
    bottom = top + max(len(placed.rows), 3) * ROW
    foot = list(_foot(profile, placed, notes, (width, bottom, min_width)))
    height = bottom + 28 + 15 * (len(foot) - 2)
    body = _data(profile, placed) if placed.rows else ""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="flamegraph" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n',
        f"<title>{escape(title)}</title>\n<desc>{escape(_summary(profile))}</desc>\n",
        f"<style>{_style()}</style>\n",
        f'<rect class="bg" width="{width}" height="{height}" fill="{LIGHT.background}"/>\n',
        *head,
        *_rows(profile, placed, bottom),
        *foot,
        body,
        "</svg>\n",
    ]
    return "".join(parts)


def _title(title: str, width: int) -> str:
    shown = fit(title, max(3, (width - 2 * PAD - _TOOLS) / _TITLE_CELL))
    return f'<text class="title" x="{PAD}" y="25">{escape(shown)}</text>\n'


def _subtitle(subtitle: str, width: int) -> Iterator[str]:
    if subtitle:
        shown = fit(subtitle, (width - 2 * PAD) / _SUBTITLE_CELL)
        yield f'<text class="subtitle" x="{PAD}" y="46">{escape(shown)}</text>\n'


def _rows(profile: Profile, placed: Layout, bottom: int) -> Iterator[str]:
    if not placed.rows:
        yield f'<text class="none" x="{PAD}" y="{bottom - ROW}">No samples: the profile is empty.</text>\n'
    names = _names(profile, placed)
    for depth, row in enumerate(placed.rows):
        yield f'<g class="row" transform="translate(0,{bottom - (depth + 1) * ROW})">\n'
        for frame in row:
            yield _rect(profile, frame, *names[frame.node])
        for frame in row:
            if frame.width >= 2 * _LABEL_PAD + 3 * _CELL:
                yield _label(frame, names[frame.node][0])
        yield "</g>\n"


def _names(profile: Profile, placed: Layout) -> dict[int, tuple[str, str]]:
    """Name and colour class of each node drawn, worked out once a distinct name."""
    known: dict[int, tuple[str, str]] = {}
    nodes = {}
    for row in placed.rows:
        for frame in row:
            name_id = profile.name[frame.node]
            if name_id not in known:
                name = name_of(profile, frame.node)
                known[name_id] = name, "root" if frame.node == ROOT else f"c{color_class(name)}"
            nodes[frame.node] = known[name_id]
    return nodes


def _rect(profile: Profile, frame: Frame, name: str, kind: str) -> str:
    if frame.width >= _STROKED:
        kind += " w"
    shape = f'<rect class="{kind}" x="{_pixels(PAD + frame.x)}" width="{_pixels(frame.width)}" height="15"'
    if frame.total < profile.total * _TITLED:
        return shape + "/>\n"
    value = format_value(frame.total, profile.unit)
    share = format_share(frame.total, profile.total)
    return f"{shape}><title>{escape(name)} ({value}, {share})</title></rect>\n"


def _label(frame: Frame, name: str) -> str:
    shown = fit(name, (frame.width - 2 * _LABEL_PAD) / _CELL)
    # Only ASCII has a known width in every monospace font; anything else is held to its cells.
    length = (
        ""
        if name.isascii()
        else f' textLength="{_pixels(cells(shown) * _CELL)}" lengthAdjust="spacingAndGlyphs"'
    )
    return f'<text x="{_pixels(PAD + frame.x + _LABEL_PAD)}" y="11"{length}>{escape(shown)}</text>\n'


def _foot(
    profile: Profile, placed: Layout, notes: Sequence[str], place: tuple[int, int, float]
) -> Iterator[str]:
    """The status line, the place for the share matched, and the notes."""
    width, bottom, min_width = place
    y = bottom + 17
    status = fit(_status(profile, placed, min_width), (width - 2 * PAD) / 7.3)
    yield f'<text class="status" x="{PAD}" y="{y}" role="status" aria-live="polite">{escape(status)}</text>\n'
    yield f'<text class="matched" x="{width - PAD}" y="{y}" text-anchor="end" aria-live="polite"></text>\n'
    for note in notes:
        for line in wrap(note, int((width - 2 * PAD) / _CELL)):
            y += 15
            yield f'<text class="note" x="{PAD}" y="{y}">{escape(line)}</text>\n'


def _status(profile: Profile, placed: Layout, min_width: float) -> str:
    if not placed.rows:
        return format_value(0, profile.unit)
    drawn = sum(map(len, placed.rows))
    status = f"{format_value(profile.total, profile.unit)} in {drawn:,} frames"
    return f"{status}; {placed.hidden:,} under {min_width:g} px not drawn" if placed.hidden else status


def _summary(profile: Profile) -> str:
    """What a reader who cannot see the picture needs first: the total, the hottest, where it comes from."""
    lines = [f"{key}: {profile.metadata[key]}" for key in sorted(profile.metadata)]
    if not profile.total:
        return "\n".join(["No samples.", *lines])
    own = profile.self_by_name()
    hottest = nsmallest(_HOTTEST, own, key=lambda name: (-own[name], profile.names[name]))
    shares = [
        f"{profile.names[name].decode('utf-8', 'replace')} {format_share(own[name], profile.total)}"
        for name in hottest
        if own[name]
    ]
    total = f"Total: {format_value(profile.total, profile.unit)}."
    return "\n".join([total, f"Largest by themselves: {', '.join(shares)}.", *lines])


def _data(profile: Profile, placed: Layout) -> str:
    """The columns the script works on, one object a row, and the script itself."""
    ids: dict[str, int] = {}
    rows = [
        {
            "name": [ids.setdefault(name_of(profile, frame.node), len(ids)) for frame in row],
            "start": [frame.start for frame in row],
            "total": [frame.total for frame in row],
            "own": [profile.weights[frame.node] for frame in row],
        }
        for row in placed.rows
    ]
    block = {"unit": profile.unit, "total": profile.total, "names": list(ids), "rows": rows}
    text = json.dumps(block, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return (
        f'<script type="application/json">{text}</script>\n'
        f"<script><![CDATA[\n{_asset('viewer.js')}]]></script>\n"
    )


def _style() -> str:
    return "\n" + stylesheet(_asset("viewer.css"))


def _asset(name: str) -> str:
    # Without pathlib, as in formats.folded.
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:  # noqa: PTH118, PTH120, PTH123
        return file.read()


def _pixels(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
