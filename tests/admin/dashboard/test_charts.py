import re

import pytest

from diag.admin.dashboard.charts import HEIGHT, SPANS, WIDTH, charts
from diag.metrics.history import Point

NOW = 1_000_000.0
SPAN = SPANS[-1][0]


def point(when: float, rate: float = 1.0, p99: float | None = None) -> Point:
    return Point(when, rate, p99, p99, 0.001, 0.5, 1 << 20, 3)


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([0-9.]+) ([0-9.]+)", path)]


def test_an_hour_of_nothing() -> None:
    drawn = charts([], 10.0, NOW)
    assert [chart.title for chart in drawn][:2] == ["Calls a second", "Call time"]
    assert all(line.path == "" for chart in drawn for line in chart.lines)
    assert drawn[0].says == "Calls a second: nothing yet."


def test_the_newest_point_is_at_the_right_edge_and_the_highest_near_the_top() -> None:
    points = [point(NOW - SPAN, 10), point(NOW - 10, 40), point(NOW, 0)]
    first, *_ = charts(points, SPAN, NOW)
    (left, low), (_, high), (right, lowest) = places(first.lines[0].path)
    assert (left, right, lowest) == (0, WIDTH, HEIGHT)
    assert 0 < high < low < lowest
    assert high < HEIGHT / 10
    assert first.most == "40"
    assert first.says.startswith("Calls a second: now calls 0; at most 40 in the last 1 h, at ")


def test_a_node_that_began_lately_is_seen_closely() -> None:
    for age, since in ((0, "5 min"), (299, "5 min"), (301, "15 min"), (1801, "1 h"), (SPAN, "1 h")):
        assert {chart.since for chart in charts([point(NOW - age)], 10.0, NOW)} == {since}


def test_a_gap_is_no_line() -> None:
    first, *_ = charts([point(NOW - 1000), point(NOW - 990), point(NOW - 20), point(NOW - 10)], 10.0, NOW)
    assert first.lines[0].path.count("M") == 2


def test_a_point_alone_is_a_dot() -> None:
    first, *_ = charts([point(NOW - 10)], 10.0, NOW)
    one, other = places(first.lines[0].path)
    assert one == other


def test_what_is_older_than_the_width_is_left_out() -> None:
    first, *_ = charts([point(NOW - 2 * SPAN, 1000), point(NOW - 10, 2)], 10.0, NOW)
    assert first.most == "2"


@pytest.mark.parametrize("p99", [None, 0.0, 0.004])
def test_steps_without_calls_have_no_delay(p99: float | None) -> None:
    delay = charts([point(NOW - 10, p99=p99)], 10.0, NOW)[1]
    assert [line.name for line in delay.lines] == ["p50", "p99"]
    assert bool(delay.lines[1].path) == (p99 is not None)
