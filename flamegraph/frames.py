"""The frames as SVG: one path a colour class, and one with a title for each frame wide enough to point at.

A frame is a horizontal stroke as thick as a row, `M305 2h88`: across, the unit is a tenth of a pixel, down it
is a row, so that a frame takes a dozen bytes and a picture of many frames few elements.
"""

from __future__ import annotations

from collections.abc import Iterator

from flamegraph.geometry import CELL, GAPPED, LABEL_PAD, LEAST_LABEL, ROW
from flamegraph.layout import Layout
from flamegraph.palettes import LIGHT, NEW_CLASS, Palette
from flamegraph.subject import Subject
from flamegraph.text import cells, escape, fit

_TITLED = 0.02
_MANY = 8000
_FONT = "Menlo,&quot;DejaVu Sans Mono&quot;,Consolas,monospace"


def graph(subject: Subject, upwards: bool) -> Iterator[str]:
    """All frames and their labels; the root at the bottom if `upwards`. The origin is the graph's corner."""
    if subject.palette.light_hatch:
        yield _hatches(subject.palette)
    lines = _lines(subject.placed, upwards)
    yield (
        f'<g class="frames" transform="translate(0,7.5) scale(.1,{ROW})" fill="none" stroke-width=".9375">\n'
    )
    yield from _strokes(subject, lines)
    yield f'</g>\n<g class="labels" font-family="{_FONT}" font-size="11" fill="{LIGHT.label}">\n'
    yield from _labels(subject, lines)
    yield "</g>\n"


def _lines(placed: Layout, upwards: bool) -> list[int]:
    """Which line from the top each frame stands in."""
    spans = placed.spans
    lines = []
    for depth, (begin, end) in enumerate(spans):
        lines += [len(spans) - 1 - depth if upwards else depth] * (end - begin)
    return lines


def _strokes(subject: Subject, lines: list[int]) -> Iterator[str]:
    plain, titled = _paths(subject, lines)
    for kind, (paths, elements) in enumerate(zip(plain, titled, strict=True)):
        if paths or elements:
            yield f'<g class="k{kind}" stroke="{_stroke(subject.palette, kind)}">\n'
            if paths:
                yield f'<path d="{"".join(paths)}"/>\n'
            yield from elements
            yield "</g>\n"


def _paths(subject: Subject, lines: list[int]) -> tuple[list[list[str]], list[list[str]]]:
    """By class, the frames that go into its one path, and elements with a title for the wide ones."""
    placed = subject.placed
    plain: list[list[str]] = [[] for _ in subject.palette.light]
    titled: list[list[str]] = [[] for _ in subject.palette.light]
    # In a large picture not even the wide frames are elements of their own.
    least = subject.profile.total * (_TITLED if len(subject.kinds) <= _MANY else 2)
    tenths = 10 * placed.scale
    lefts = [int(start * tenths + 0.5) for start in placed.starts]
    columns = zip(lefts, placed.starts, placed.totals, lines, subject.kinds, strict=True)
    for frame, (left, start, total, line, kind) in enumerate(columns):
        across = int((start + total) * tenths + 0.5) - left or 1
        if across >= 10 * GAPPED:
            across -= 6
        if total >= least:
            title = escape(subject.title(frame))
            titled[kind].append(f'<path d="M{left} {line}h{across}"><title>{title}</title></path>\n')
        elif total:
            plain[kind].append(f"M{left} {line}h{across}")
    return plain, titled


def _labels(subject: Subject, lines: list[int]) -> Iterator[str]:
    placed = subject.placed
    least = LEAST_LABEL / placed.scale
    for frame, total in enumerate(placed.totals):
        if total >= least:
            new = subject.kinds[frame] == NEW_CLASS and subject.comparison is not None
            name = subject.names[subject.name_ids[frame]]
            x, width = placed.starts[frame] * placed.scale, total * placed.scale
            yield _label(f"+ {name}" if new else name, x, width, lines[frame])


def _label(name: str, x: float, width: float, line: int) -> str:
    shown = fit(name, (width - 2 * LABEL_PAD) / CELL)
    # Only ASCII has a known width in every monospace font; anything else is held to its cells.
    length = (
        "" if name.isascii() else f' textLength="{cells(shown) * CELL:.1f}" lengthAdjust="spacingAndGlyphs"'
    )
    return f'<text x="{x + LABEL_PAD:.1f}" y="{line * ROW + 11}"{length}>{escape(shown)}</text>\n'


def _stroke(palette: Palette, kind: int) -> str:
    """A hatched class is painted with its pattern, any other with its colour."""
    return f"url(#fg-h{kind})" if kind in dict(palette.light_hatch) else palette.light[kind]


def _hatches(palette: Palette) -> str:
    """Slanted stripes, eight pixels apart, in the frames' own units: a tenth of a pixel and a row."""
    patterns = []
    for kind, color in palette.light_hatch:
        low, high = (1, 0) if kind == NEW_CLASS else (0, 1)
        stripes = "".join(f"M{x} {low}h30L{x + 110} {high}h-30z" for x in (-80, 0))
        patterns.append(
            f'<pattern id="fg-h{kind}" class="h{kind}" width="80" height="1" patternUnits="userSpaceOnUse">'
            f'<rect width="80" height="1" fill="{palette.light[kind]}"/>'
            f'<path d="{stripes}" fill="{color}"/></pattern>\n'
        )
    return f"<defs>{''.join(patterns)}</defs>\n"
