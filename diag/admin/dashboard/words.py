"""Figures as people read them. Each takes None for what is not known."""

from typing import Final

#: What stands where a figure is not known.
UNKNOWN: Final = "–"  # noqa: RUF001 - a dash is what is meant

_AGES: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SIZES: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def size(count: float | None) -> str:
    """Bytes."""
    if count is None:
        return UNKNOWN
    for unit, name in _SIZES:
        if count >= unit:
            return f"{_short(count / unit)} {name}"
    return f"{count:.0f} B"


def duration(seconds: float | None) -> str:
    """A short time: of a call, or by how much a loop was late."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{_short(seconds * 1e3)} ms" if seconds < 1 else f"{_short(seconds)} s"


def age(seconds: float | None) -> str:
    """How long ago: one unit, so that it does not change while it is read."""
    if seconds is None:
        return UNKNOWN
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return "now"


def rate(per_second: float | None) -> str:
    """Calls a second."""
    return UNKNOWN if per_second is None else f"{per_second:,.0f}" if per_second >= 10 else _short(per_second)


def share(part: float | None) -> str:
    """Of one processor."""
    return UNKNOWN if part is None else f"{100 * part:.0f} %" if part >= 0.1 else f"{100 * part:.1f} %"


def whole(count: int | None) -> str:
    """A count."""
    return UNKNOWN if count is None else f"{count:,}"


def _short(value: float) -> str:
    """Three digits at most, and no zeros that tell nothing."""
    text = f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
