import math
import random

import pytest

from diag.metrics.delays import BOUNDS_MS, QUANTILES, Histogram, Summary


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_histogram_without_calls_has_every_bucket_at_zero() -> None:
    buckets = Histogram().buckets()
    assert len(buckets) == len(BOUNDS_MS) + 1
    assert {count for _, count in buckets} == {0.0}
    assert buckets[-1][0] == "+Inf"


def test_bounds_are_those_of_the_protocol() -> None:
    assert BOUNDS_MS[:8] == (1, 2, 3, 4, 5, 7, 10, 20)
    assert BOUNDS_MS[-1] == 70_000
    assert len(BOUNDS_MS) == 30


@pytest.mark.parametrize(
    ("seconds", "le"), [(0.0, "1.0"), (0.0002, "1.0"), (0.001, "1.0"), (0.0011, "2.0"), (70.0, "70000.0")]
)
def test_a_delay_counts_from_the_first_bound_that_is_not_below_it(seconds: float, le: str) -> None:
    histogram = Histogram()
    histogram.add(seconds)
    assert next(bound for bound, count in histogram.buckets() if count) == le
    assert histogram.buckets()[-1] == ("+Inf", 1.0)


def test_a_delay_above_every_bound_counts_only_in_the_last_bucket() -> None:
    histogram = Histogram()
    histogram.add(70.001)
    assert [count for _, count in histogram.buckets()][-2:] == [0.0, 1.0]


def test_sub_millisecond_delays_add_to_the_sum() -> None:
    histogram = Histogram()
    for _ in range(1000):
        histogram.add(0.0002)
    assert histogram.sum_ms == pytest.approx(200)


def test_a_summary_without_calls_says_not_a_number() -> None:
    summary = Summary(Clock())
    assert [text for text, _ in summary.quantiles()] == ["0", "0.5", "0.9", "0.95", "0.99", "0.999", "1"]
    assert all(math.isnan(value) for _, value in summary.quantiles())
    assert (summary.sum, summary.count) == (0, 0)


def test_quantiles_are_within_one_percent_and_the_extremes_exact() -> None:
    rng = random.Random(7)
    values = sorted(rng.lognormvariate(-8, 1) for _ in range(20_000))
    summary = Summary(Clock())
    summary.add(values)
    told = dict(summary.quantiles())
    assert told["0"] == values[0]
    assert told["1"] == values[-1]
    for text, q in QUANTILES[1:-1]:
        assert told[text] == pytest.approx(values[int(q * (len(values) - 1))], rel=0.011)
    assert summary.sum == pytest.approx(sum(values))


def test_quantiles_forget_what_left_the_window_and_counts_do_not() -> None:
    clock = Clock()
    summary = Summary(clock, slices=5, slice_seconds=120)
    summary.add([9.0])
    clock.now += 300
    summary.add([0.001])
    assert dict(summary.quantiles())["1"] == 9.0
    clock.now += 301
    assert dict(summary.quantiles())["1"] == 0.001
    clock.now += 601
    assert math.isnan(dict(summary.quantiles())["1"])
    assert summary.count == 2
    assert summary.sum == pytest.approx(9.001)


def test_zero_delays_are_counted() -> None:
    summary = Summary(Clock())
    summary.add([0.0, 0.0])
    assert dict(summary.quantiles())["0.5"] == 0.0
