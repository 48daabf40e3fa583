import asyncio

import pytest

from diag.metrics.history import History, Point, parts
from diag.metrics.lag import LoopLag
from diag.metrics.registry import Metrics
from tests.polling import until_async

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def history(metrics: Metrics, clock: Clock, points: int = 3) -> History:
    return History(metrics, LoopLag(), points=points, clock=clock, monotonic=clock)


def point(when: float) -> Point:
    return Point(when, 0.0, None, None, 0.0, 0.0, 0, 0)


def test_there_is_nothing_at_first() -> None:
    empty = history(Metrics(), Clock())
    assert empty.points() == ()
    assert empty.last() is None


def test_a_step_without_calls_has_no_delays() -> None:
    clock = Clock()
    quiet = history(Metrics(), clock)
    clock.now += 10
    quiet.look()
    last = quiet.last()
    assert last is not None
    assert (last.when, last.rate, last.p50, last.p99, last.watchers) == (1010.0, 0.0, None, None, 0)
    assert last.rss > 1 << 20


def test_a_step_counts_its_own_calls_alone() -> None:
    clock, metrics = Clock(), Metrics()
    busy = history(metrics, clock)
    for seconds in (0.001, 5.0):
        for _ in range(100):
            metrics.request_started()
            metrics.request_finished("read", seconds, ok=True)
        clock.now += 10
        busy.look()
    metrics.watchers_changed(+2)
    clock.now += 10
    busy.look()
    first, second, third = busy.points()
    assert (first.rate, first.p50, first.p99) == (10.0, 0.001, 0.001)
    assert (second.rate, second.p50, second.p99) == (10.0, 5.0, 5.0)
    assert (third.rate, third.p50, third.watchers) == (0.0, None, 2)


def test_the_slowest_of_a_hundred_is_seen() -> None:
    clock, metrics = Clock(), Metrics()
    busy = history(metrics, clock)
    for seconds in [0.001] * 98 + [1.0] * 2:
        metrics.request_started()
        metrics.request_finished("write", seconds, ok=False)
    clock.now += 10
    busy.look()
    last = busy.last()
    assert last is not None
    assert (last.p50, last.p99) == (0.001, 1.0)


def test_the_oldest_goes_when_there_are_as_many_as_are_kept() -> None:
    clock = Clock()
    short = history(Metrics(), clock)
    for _ in range(5):
        clock.now += 10
        short.look()
    assert [one.when for one in short.points()] == [1030.0, 1040.0, 1050.0]


async def test_it_looks_by_itself_until_it_is_stopped() -> None:
    running = History(Metrics(), LoopLag(), step=0.01)
    running.start()
    await until_async(lambda: len(running.points()) > 2)
    await running.stop()
    await running.stop()
    seen = running.points()
    await asyncio.sleep(0.05)
    assert running.points() == seen


def test_parts_are_cut_where_points_are_missing() -> None:
    points = [point(when) for when in (0, 10, 20, 100, 110, 300)]
    assert parts([], 10) == []
    assert [[one.when for one in part] for part in parts(points, 10)] == [[0, 10, 20], [100, 110], [300]]
