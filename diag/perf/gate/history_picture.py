"""The history as one SVG: a small chart for each benchmark, its levels as lines, its steps marked and told.

Nothing depends on colour: a step is a dashed line with a label. Every chart has a title and a description for
readers that see no picture, and every point tells its commit and value.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Final, NamedTuple

from diag.perf.gate.report import change, cost
from flamegraph.change_points import ChangePoint
from flamegraph.palettes import DARK, LIGHT
from flamegraph.text import escape

_WIDTH: Final = 900
_CHART: Final = 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 20, 200, 34, 16
_HEAD: Final = 50
_STYLE: Final = (
    f"svg{{color-scheme:light dark;font:13px system-ui,sans-serif;background:{LIGHT.background};"
    f"fill:{LIGHT.text}}}.level{{stroke:{LIGHT.accent};stroke-width:2}}"
    f".step{{stroke:{LIGHT.muted};stroke-dasharray:4 3}}.axis{{stroke:{LIGHT.line}}}"
    f"@media(prefers-color-scheme:dark){{svg{{background:{DARK.background};fill:{DARK.text}}}"
    f".level{{stroke:{DARK.accent}}}.step{{stroke:{DARK.muted}}}.axis{{stroke:{DARK.line}}}}}"
)


class Line(NamedTuple):
    """One benchmark over commits: values in its unit, a label for each, and where the level changed."""

    name: str
    unit: str
    values: Sequence[float]
    labels: Sequence[str]
    steps: Sequence[ChangePoint]


def picture(lines: Sequence[Line]) -> str:
    """A complete SVG document, also of no lines."""
    height = _HEAD + _CHART * max(1, len(lines))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" aria-labelledby="title summary">',
        '<title id="title">Cost of each benchmark over commits</title>',
        f'<desc id="summary">{escape(summary(lines))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="28" font-size="17">Cost of each benchmark over commits</text>',
    ]
    if not lines:
        parts.append(f'<text x="{_LEFT}" y="{_HEAD + 20}">Nothing was measured yet.</text>')
    for number, line in enumerate(lines):
        parts += _chart(line, _HEAD + number * _CHART)
    return "\n".join([*parts, "</svg>"]) + "\n"


def summary(lines: Sequence[Line]) -> str:
    """What the picture shows, in words."""
    steps = [
        f"{line.name} {change(step.ratio)} at {line.labels[step.at]}" for line in lines for step in line.steps
    ]
    return f"{len(lines)} benchmarks; " + ("; ".join(steps) if steps else "no lasting change of any") + "."


def _chart(line: Line, top: int) -> Iterator[str]:
    lowest, highest = min(line.values), max(line.values)
    room = max(highest - lowest, 0.02 * highest)
    low, high = (lowest + highest - room) / 2, (lowest + highest + room) / 2
    across = (_WIDTH - _LEFT - _RIGHT) / max(1, len(line.values) - 1)
    down = _CHART - _TOP - _BOTTOM

    def x(at: float) -> str:
        return f"{_LEFT + at * across:.1f}"

    def y(value: float) -> str:
        return f"{top + _TOP + down * (high - value) / (high - low):.1f}"

    yield f'<g role="group" aria-label="{escape(line.name)}">'
    last = f"{line.name}: {cost(line.values[-1], line.unit)}"
    yield f'<text x="{_LEFT}" y="{top + 22}" font-weight="600">{escape(last)}</text>'
    foot = top + _TOP + down
    yield f'<path class="axis" d="M{_LEFT} {foot}H{_WIDTH - _RIGHT}"/>'
    right = _WIDTH - _RIGHT
    for value in (high, low):
        yield f'<text x="{right + 10}" y="{float(y(value)) + 4:.1f}">{escape(cost(value, line.unit))}</text>'
    ends = [0, *(step.at for step in line.steps), len(line.values)]
    for begin, end in pairwise(ends):
        level = y(math.exp(fmean(math.log(value) for value in line.values[begin:end])))
        yield f'<path class="level" d="M{x(begin)} {level}H{x(end - 1)}"/>'
    for at, (value, label) in enumerate(zip(line.values, line.labels, strict=True)):
        told = escape(f"{label}: {cost(value, line.unit)}")
        yield f'<circle cx="{x(at)}" cy="{y(value)}" r="3"><title>{told}</title></circle>'
    for step in line.steps:
        middle = x(step.at - 0.5)
        yield f'<path class="step" d="M{middle} {top + _TOP - 6}V{foot}"/>'
        yield f'<text x="{middle}" y="{top + _TOP - 8}" text-anchor="middle">{change(step.ratio)}</text>'
    yield "</g>"
