import pytest

from flamegraph.errors import OptionError
from flamegraph.units import check_unit, format_share, format_value


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "samples", "0 samples"),
        (1, "samples", "1 sample"),
        (1234567, "samples", "1,234,567 samples"),
        (2.5, "samples", "2.50 samples"),
        (1, "bytes", "1 byte"),
        (1023, "bytes", "1,023 bytes"),
        (1536, "bytes", "1.50 KiB"),
        (52428800, "bytes", "50.0 MiB"),
        (1 << 60, "bytes", "1,024 PiB"),
        (999, "microseconds", "999 µs"),
        (12_300, "microseconds", "12.3 ms"),
        (61_000_000, "microseconds", "61.0 s"),
    ],
)
def test_values_read_as_people_write_them(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


def test_shares_have_two_decimals() -> None:
    assert format_share(1, 3) == "33.33%"


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="choose one of samples, bytes, microseconds"):
        check_unit("furlongs")
