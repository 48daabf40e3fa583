"""Weights as people read them: counts with thousands separators, bytes in IEC units, times in seconds."""

from __future__ import annotations

from flamegraph.errors import OptionError

UNITS = ("samples", "bytes", "microseconds")

_BYTE_STEPS = ((1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_TIME_STEPS = ((1_000_000, "s"), (1_000, "ms"))


def check_unit(unit: str) -> str:
    """The unit itself; raises OptionError for a unit this library cannot format."""
    if unit not in UNITS:
        raise OptionError(f"The unit {unit!r} is not known; choose one of {', '.join(UNITS)}.")
    return unit


def format_value(value: float, unit: str) -> str:
    """`1,234 samples`, `1.50 MiB`, `12.3 ms`: three significant digits once a larger unit is used.

    viewer.js holds the same rules; a browser test compares the two.
    """
    if unit == "bytes":
        return _scaled(value, _BYTE_STEPS, "bytes", "byte")
    if unit == "microseconds":
        return _scaled(value, _TIME_STEPS, "µs", "µs")
    return f"{_number(value)} {'sample' if value == 1 else 'samples'}"


def format_share(value: float, whole: float) -> str:
    """`12.34%` of the whole, two decimals."""
    return f"{100 * value / whole:.2f}%"


def _scaled(value: float, steps: tuple[tuple[int, str], ...], plural: str, singular: str) -> str:
    for size, name in steps:
        if value >= size:
            scaled = value / size
            digits = 2 if scaled < 10 else 1 if scaled < 100 else 0
            return f"{scaled:,.{digits}f} {name}"
    return f"{_number(value)} {singular if value == 1 else plural}"


def _number(value: float) -> str:
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}"
