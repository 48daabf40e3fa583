import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from diag.errors import NoTurn, ProfilerError, ProfilerTooSlow
from diag.profilers.apart import Apart
from tests.polling import until_async

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def told(apart: Apart, word: str, *, patient: bool = False) -> str:
    """A work that is done at once."""
    return await apart.run("told", lambda _stop: word, undone="It was not", instead="wait", patient=patient)


@asynccontextmanager
async def one_turn_taken(apart: Apart) -> AsyncIterator[threading.Event]:
    """A work that holds its turn meanwhile; what it is stopped by."""
    stops: list[threading.Event] = []

    def work(stop: threading.Event) -> None:
        stops.append(stop)
        stop.wait()

    running = asyncio.create_task(apart.run("long", work, undone="It was not", instead="wait"))
    await until_async(lambda: bool(stops))
    try:
        yield stops[0]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_work_that_finds_a_turn_gives_what_it_makes_or_raises() -> None:
    apart = Apart(at_once=1, patience=0.1)

    def fails(_stop: threading.Event) -> None:
        raise ProfilerError("It broke.")

    assert await told(apart, "done") == "done"
    with pytest.raises(ProfilerError, match=r"It broke\."):
        await apart.run("fails", fails, undone="", instead="")
    assert await told(apart, "once more") == "once more", "its turn was given back"


async def test_no_more_than_so_many_run_at_a_time() -> None:
    apart, running, most, lock = Apart(at_once=2), 0, 0, threading.Lock()
    go_on = threading.Event()

    def work(_stop: threading.Event) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go_on.wait()
        with lock:
            running -= 1

    works = [asyncio.create_task(apart.run("many", work, undone="", instead="")) for _ in range(7)]
    await until_async(lambda: running == 2)
    go_on.set()
    await asyncio.gather(*works)
    assert most == 2


async def test_who_gets_no_turn_hears_when_to_come_again() -> None:
    apart = Apart(at_once=1, patience=0.05)
    async with one_turn_taken(apart):
        with pytest.raises(NoTurn, match=r"1 large profiles at a time.*within 0.05 s; try again, or wait\."):
            await told(apart, "never")
    with pytest.raises(NoTurn) as refusal:
        async with one_turn_taken(apart):
            await told(apart, "never")
    assert refusal.value.http_status == 503
    assert refusal.value.retry_after >= 1


async def test_what_nobody_can_ask_for_again_waits_until_it_has_its_turn() -> None:
    apart = Apart(at_once=1, patience=0.05)
    async with one_turn_taken(apart):
        patient = asyncio.create_task(told(apart, "in the end", patient=True))
        with pytest.raises(NoTurn):
            await told(apart, "never")
        assert not patient.done()
    assert await patient == "in the end"


async def test_work_that_takes_too_long_is_stopped_and_gives_its_turn() -> None:
    apart = Apart(at_once=1, seconds=0.05, patience=5.0)
    stops: list[threading.Event] = []

    def work(stop: threading.Event) -> None:
        stops.append(stop)
        stop.wait()

    with pytest.raises(ProfilerTooSlow) as late:
        await apart.run("slow", work, undone="It was not read", instead="send less")
    assert str(late.value) == "It was not read within 0.05 s and was given up; send less."
    assert stops[0].is_set()
    assert await told(apart, "next") == "next"


async def test_one_that_gives_up_waiting_takes_no_turn() -> None:
    apart = Apart(at_once=1, patience=5.0)
    async with one_turn_taken(apart):
        waiting = asyncio.create_task(told(apart, "never"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert await told(apart, "next") == "next"
