"""Moments in a query string: RFC 3339, seconds since 1970, or relative to now."""

import math
import re
from datetime import datetime
from typing import Final

from diag.errors import InvalidRequest

_RELATIVE: Final = re.compile(r"-([0-9]{1,9})(s|m|h|d)", re.ASCII)
_EPOCH: Final = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?", re.ASCII)
_WRITTEN: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment_of(name: str, text: str, now: float) -> float:
    """The parameter ``name`` as seconds since 1970. Raises InvalidRequest."""
    if text == "now":
        return now
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return now - int(relative[1]) * _UNITS[relative[2]]
    if _EPOCH.fullmatch(text):
        return float(text)
    # A plus sign that was not quoted has become a space on its way.
    written = text[:-6] + "+" + text[-5:] if text[-6:-5] == " " else text
    try:
        if not _WRITTEN.fullmatch(written):
            raise ValueError(text)
        return _of(written)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"{name} is {text[:80]!r}; it must be now, a time before now such as -90s, -15m, -2h or -1d, "
            "seconds since 1970, or a time such as 2026-11-25T07:30:00Z."
        ) from None


def length_of(start: float, end: float, names: tuple[str, str]) -> float:
    """Seconds from ``start`` to ``end``; InvalidRequest where there are none."""
    seconds = end - start
    if not (math.isfinite(seconds) and seconds > 0):
        raise InvalidRequest(f"{names[0]} must be before {names[1]}.")
    return seconds


def _of(written: str) -> float:
    head, dot, rest = written.upper().partition(".")
    fraction = re.match("[0-9]*", rest)[0] if dot else ""  # type: ignore[index]  # it always matches
    zone = rest[len(fraction) :] if dot else ""
    return datetime.fromisoformat(head + zone).timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
