"""Points as small charts: lines of an SVG, and what they say in words for who does not see them."""

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from diag.admin.dashboard import words
from diag.metrics.history import Point, parts

#: The drawing area that paths are in; the page stretches it.
WIDTH: Final = 360
HEIGHT: Final = 60
#: Seconds that the width may stand for, and how long ago that is: a node that began lately is seen closely.
SPANS: Final = ((300.0, "5 min"), (900.0, "15 min"), (1800.0, "30 min"), (3600.0, "1 h"))

# Room above the highest value.
_HEADROOM: Final = 1.05


class Line(NamedTuple):
    """``path`` is the attribute ``d``, empty where nothing is known."""

    name: str
    path: str
    now: str


class Chart(NamedTuple):
    """``most`` is the highest value, ``since`` how long ago the left edge is; ``says`` tells all of it."""

    key: str
    title: str
    lines: Sequence[Line]
    most: str
    since: str
    says: str


class _Kind(NamedTuple):
    key: str
    title: str
    fields: Sequence[tuple[str, str]]
    written: Callable[[float | None], str]


_KINDS: Final = (
    _Kind("rate", "Calls a second", (("calls", "rate"),), words.rate),
    _Kind("delay", "Call time", (("p50", "p50"), ("p99", "p99")), words.duration),
    _Kind("loop", "Loop lag", (("worst", "loop_lag"),), words.duration),
    _Kind("cpu", "CPU", (("of a core", "cpu"),), words.share),
    _Kind("rss", "Memory", (("resident", "rss"),), words.size),
    _Kind(
        "watchers",
        "Watchers",
        (("open", "watchers"),),
        lambda count: words.whole(None if count is None else round(count)),
    ),
)


def charts(points: Sequence[Point], step: float, now: float | None = None) -> list[Chart]:
    """One a figure, over the hour before ``now`` at most, in seconds since 1970."""
    end = time.time() if now is None else now
    shown = [point for point in points if 0 <= end - point.when <= SPANS[-1][0]]
    longest = max((end - point.when for point in shown), default=0.0)
    span = next(span for span in SPANS if longest <= span[0])
    return [_chart(kind, shown, step, end, span) for kind in _KINDS]


def _chart(kind: _Kind, points: Sequence[Point], step: float, end: float, span: tuple[float, str]) -> Chart:
    seconds, since = span
    values = [
        (value, point.when)
        for point in points
        for _, field in kind.fields
        if (value := getattr(point, field)) is not None
    ]
    most, at = max(values, default=(0.0, end))
    lines = [
        Line(name, _path(points, field, most, step, end, seconds), _now(points, field, kind))
        for name, field in kind.fields
    ]
    if not values:
        return Chart(kind.key, kind.title, lines, words.UNKNOWN, since, f"{kind.title}: nothing yet.")
    told = ", ".join(f"{line.name} {line.now}" for line in lines)
    moment = time.strftime("%H:%M", time.gmtime(at))
    says = f"{kind.title}: now {told}; at most {kind.written(most)} in the last {since}, at {moment} UTC."
    return Chart(kind.key, kind.title, lines, kind.written(most), since, says)


def _now(points: Sequence[Point], field: str, kind: _Kind) -> str:
    return kind.written(getattr(points[-1], field)) if points else words.UNKNOWN


def _path(points: Sequence[Point], field: str, most: float, step: float, end: float, seconds: float) -> str:
    scale = HEIGHT / (most * _HEADROOM) if most > 0 else 0.0
    drawn = []
    for part in parts(points, step):
        known = [(point.when, value) for point in part if (value := getattr(point, field)) is not None]
        places = [
            f"{WIDTH * (1 - (end - at) / seconds):.1f} {HEIGHT - value * scale:.1f}" for at, value in known
        ]
        if places:
            # A single point is a dot: a line of no length with round ends.
            drawn.append(f"M{places[0]}L{' '.join(places[1:] or places)}")
    return "".join(drawn)
