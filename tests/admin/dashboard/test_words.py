from collections.abc import Callable

import pytest

from diag.admin.dashboard import words


@pytest.mark.parametrize(
    "write", [words.size, words.duration, words.age, words.rate, words.share, words.whole]
)
def test_what_is_not_known_is_a_dash(write: Callable[[None], str]) -> None:
    assert write(None) == words.UNKNOWN


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.size(0), "0 B"),
        (words.size(1023), "1023 B"),
        (words.size(1536), "1.5 KiB"),
        (words.size(100 << 20), "100 MiB"),
        (words.size(5 << 40), "5120 GiB"),
        (words.duration(0), "0 µs"),
        (words.duration(0.00042), "420 µs"),
        (words.duration(0.0042), "4.2 ms"),
        (words.duration(0.2), "200 ms"),
        (words.duration(12.345), "12.3 s"),
        (words.age(0.5), "now"),
        (words.age(59.9), "59 s"),
        (words.age(3599), "59 min"),
        (words.age(90_000), "1 d"),
        (words.rate(0), "0"),
        (words.rate(0.25), "0.25"),
        (words.rate(12_345.6), "12,346"),
        (words.share(0.004), "0.4 %"),
        (words.share(1.5), "150 %"),
        (words.whole(1_234_567), "1,234,567"),
    ],
)
def test_figures_as_people_read_them(written: str, expected: str) -> None:
    assert written == expected
