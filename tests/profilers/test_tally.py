import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

from diag.profilers.frames import FrameNames
from diag.profilers.tally import Tally


@pytest.fixture
def tally() -> Iterator[Tally]:
    loop = asyncio.new_event_loop()
    yield Tally(loop)
    loop.close()


def look(tally: Tally, tid: int, seconds: float) -> None:
    tally.add(threading.get_ident(), tid, sys._getframe(), seconds)


def test_nothing_seen_is_nothing(tally: Tally) -> None:
    assert tally.weights(FrameNames(), {}) == {}
    assert tally.by_thread() == {}


def test_weights_are_seconds_at_the_rate_of_their_thread(tally: Tally) -> None:
    look(tally, 1, 0.5)
    look(tally, 2, 0.25)
    assert tally.by_thread() == {1: 0.5, 2: 0.25}
    assert sorted(tally.weights(FrameNames(), {1: 100, 2: 40}).values()) == [10, 50]


def test_threads_stand_first_where_they_are_named(tally: Tally) -> None:
    look(tally, 1, 0.5)
    look(tally, 2, 0.25)
    weights = tally.weights(FrameNames(), {1: 100, 2: 100}, {1: "MainThread"})
    assert sorted((stack.partition(";")[0], count) for stack, count in weights.items()) == [
        ("thread 2", 25),
        ("thread MainThread", 50),
    ]


def test_parts_of_samples_add_up(tally: Tally) -> None:
    for tid in range(100):
        look(tally, tid, 0.004)
    weights = tally.weights(FrameNames(), dict.fromkeys(range(100), 99.0), {})
    assert sum(weights.values()) == pytest.approx(0.4 * 99, abs=1)
    assert max(weights.values()) == 1
