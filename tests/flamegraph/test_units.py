import pytest

from flamegraph.errors import OptionError
from flamegraph.units import UNITS, check_unit, format_share, format_value, wording


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "samples", "0 samples"),
        (1, "samples", "1 sample"),
        (1234567, "samples", "1,234,567 samples"),
        (2.5, "samples", "2.50 samples"),
        (1, "calls", "1 call"),
        (3, "allocations", "3 allocations"),
        (1, "bytes", "1 byte"),
        (1023, "bytes", "1,023 bytes"),
        (1536, "bytes", "1.50 KiB"),
        (-1536, "bytes", "-1.50 KiB"),
        (52428800, "bytes", "50.0 MiB"),
        (1 << 60, "bytes", "1,024 PiB"),
        (1, "nanoseconds", "1 ns"),
        (1_500, "nanoseconds", "1.50 µs"),
        (999, "microseconds", "999 µs"),
        (12_300, "microseconds", "12.3 ms"),
        (61_000_000, "microseconds", "61.0 s"),
        (0.25, "seconds", "0.25 s"),
        (5400, "seconds", "1.50 h"),
        (2, "milliseconds", "2 ms"),
    ],
)
def test_values_read_as_people_write_them(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"), [(999, "999 bytes"), (1000, "1.00 kB"), (1536, "1.54 kB"), (5e7, "50.0 MB")]
)
def test_bytes_may_be_counted_in_thousands(value: float, text: str) -> None:
    assert format_value(value, "bytes", si=True) == text


def test_larger_units_come_first() -> None:
    for unit in UNITS:
        sizes = [size for size, _ in wording(unit).steps]
        assert sizes == sorted(sizes, reverse=True)
        assert all(size > 1 for size in sizes)


def test_shares_have_two_decimals() -> None:
    assert format_share(1, 3) == "33.33%"
    assert format_share(0, 0) == "0.00%"


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="choose one of samples, calls"):
        check_unit("furlongs")
