"""Weights as people read them: counts with thousands separators, bytes in IEC or SI units, times in any."""

from __future__ import annotations

from functools import cache

from flamegraph.errors import OptionError
from flamegraph.record import Record


class Wording(Record):
    """How one unit is written: its words, and the larger units that take over, largest first."""

    one: str
    many: str
    steps: tuple[tuple[float, str], ...] = ()


_IEC = ((1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_SI = ((10**15, "PB"), (10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (1000, "kB"))
_NANOSECONDS = {"nanoseconds": 1, "microseconds": 10**3, "milliseconds": 10**6, "seconds": 10**9}
_TIMES = ((3600 * 10**9, "h"), (10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
_COUNTS = {"samples": "sample", "calls": "call", "allocations": "allocation", "objects": "object"}

UNITS = (*_COUNTS, "bytes", *_NANOSECONDS)


def check_unit(unit: str) -> str:
    """The unit itself; raises OptionError for a unit this library cannot format."""
    if unit not in UNITS:
        raise OptionError(f"The unit {unit!r} is not known; choose one of {', '.join(UNITS)}.")
    return unit


@cache
def wording(unit: str, si: bool = False) -> Wording:
    """The words for a unit; `si` counts bytes in thousands (kB, MB) and not in powers of 1024 (KiB, MiB)."""
    if unit == "bytes":
        return Wording("byte", "bytes", _SI if si else _IEC)
    if unit in _NANOSECONDS:
        size = _NANOSECONDS[unit]
        word = next(word for nanoseconds, word in _TIMES if nanoseconds == size)
        return Wording(word, word, tuple((longer / size, name) for longer, name in _TIMES if longer > size))
    return Wording(_COUNTS[check_unit(unit)], unit)


def format_value(value: float, unit: str, si: bool = False) -> str:
    """`1,234 samples`, `1.50 MiB`, `12.3 ms`: three significant digits once a larger unit is used.

    The viewer holds the same rules; a browser test compares the two.
    """
    words = wording(unit, si)
    for size, name in words.steps:
        if abs(value) >= size:
            scaled = value / size
            digits = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
            return f"{scaled:,.{digits}f} {name}"
    return f"{_number(value)} {words.one if value == 1 else words.many}"


def format_share(value: float, whole: float) -> str:
    """`12.34%` of the whole, two decimals; nothing has no share of nothing."""
    return f"{100 * value / whole:.2f}%" if whole else "0.00%"


def _number(value: float) -> str:
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}"
