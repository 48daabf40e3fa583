import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

from diag.logs.request_id import begin_request
from diag.profilers.frames import FrameNames
from diag.profilers.labels import name_task
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


def test_requests_carry_their_ids_up_to_a_bound() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_serve(loop, known := Tally(loop, ids=True)))
    loop.run_until_complete(_serve(loop, unknown := Tally(loop)))
    loop.close()
    stacks = known.weights(FrameNames(), {1: 100})
    ids = {stack.split(";")[1] for stack in stacks if ";request_id: " in stack}
    assert len(ids) == 64
    assert "request_id: id-99" in ids
    assert "request_id: id-0" not in ids
    assert all(stack.startswith("request: GET /x;") for stack in stacks)
    assert sum(stacks.values()) == sum(range(1, 101))
    assert not any("request_id" in stack for stack in unknown.weights(FrameNames(), {1: 100}))


async def _serve(loop: asyncio.AbstractEventLoop, tally: Tally) -> None:
    async def answer(number: int) -> None:
        name_task("GET /x")
        begin_request(f"id-{number}")
        look(tally, 1, 0.01 * (number + 1))

    for number in range(100):
        await asyncio.create_task(answer(number))
