"""Moments of a query string."""

import pytest

from diag.admin.moments import moment_of
from diag.errors import InvalidRequest

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("-90s", NOW - 90),
        ("-15m", NOW - 900),
        ("-2h", NOW - 7200),
        ("-1d", NOW - 86400),
        ("1700000000", 1_700_000_000.0),
        ("1700000000.25", 1_700_000_000.25),
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14t22:13:20.5z", 1_700_000_000.5),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000.0),
        ("2023-11-14T23:13:20 01:00", 1_700_000_000.0),
        ("2023-11-14T20:13:20.123456789-02:00", 1_700_000_000.123456789),
    ],
)
def test_what_a_moment_may_be(text: str, moment: float) -> None:
    assert moment_of("from", text, NOW) == pytest.approx(moment, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "15m",
        "-15",
        "-1.5h",
        "+1",
        "nan",
        "1e9",
        "1_0",
        "2023-11-14",
        "2023-13-14T00:00:00Z",
        "2023-11-14T22:13:20",
        "0000-01-01T00:00:00Z",
        "-٣m",
        "123456789012",
    ],
)
def test_what_it_may_not_be(text: str) -> None:
    with pytest.raises(InvalidRequest, match="from is "):
        moment_of("from", text, NOW)
