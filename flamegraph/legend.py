"""What the colours of a comparison mean, in one line."""

from __future__ import annotations

from flamegraph.geometry import LINE_CELL
from flamegraph.palettes import LIGHT, NEW_CLASS, UNCHANGED, VANISHED_CLASS, Palette

_STEP = 8
_BOX = 18


def of_change(palette: Palette, y: int) -> str:
    """Swatches from a quarter to four times the share, then new and vanished frames; `y` is the base line."""
    parts = [f'<g class="legend" transform="translate(0,{y})">\n']
    x = _text(parts, 0, "share /4") + 5
    parts += [_swatch(palette, x + kind * _STEP, _STEP, kind) for kind in range(2 * UNCHANGED + 1)]
    x = _text(parts, x + (2 * UNCHANGED + 1) * _STEP + 5, "x4") + 18
    for kind, word in ((NEW_CLASS, "new"), (VANISHED_CLASS, "vanished")):
        parts.append(_swatch(palette, x, _BOX, kind))
        x = _text(parts, x + _BOX + 5, word) + 14
    parts.append("</g>\n")
    return "".join(parts)


def _swatch(palette: Palette, x: int, across: int, kind: int) -> str:
    """Drawn as frames are, by a stroke in the frames' units: the hatches are in these."""
    hatched = kind in (NEW_CLASS, VANISHED_CLASS)
    stroke = f"url(#fg-h{kind})" if hatched else palette.light[kind]
    of_class = "" if hatched else f' class="k{kind}"'
    return (
        f'<path{of_class} transform="translate({x},-4) scale(.1,16)" d="M0 0h{10 * across}" '
        f'stroke="{stroke}" stroke-width=".65"/>\n'
    )


def _text(parts: list[str], x: int, word: str) -> int:
    """Adds a word at `x`; returns where it may end."""
    parts.append(f'<text class="muted" x="{x}" fill="{LIGHT.muted}">{word}</text>\n')
    return x + round(len(word) * LINE_CELL)
