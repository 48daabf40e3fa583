"""A window steps aside for a profile that was asked for."""

import asyncio

import pytest

from diag.profilers.turns import Turn, Turns

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def window(turns: Turns, turn: Turn, begun: asyncio.Event) -> None:
    async with turns.window(turn):
        begun.set()
        while not turn.over():  # noqa: ASYNC110 - a turn is looked at, as a sampler does
            await asyncio.sleep(0)


async def test_a_profile_with_no_window_waits_for_nothing() -> None:
    turns = Turns()
    async with turns.asked_for("CPU profile"):
        assert turns.holder == "CPU profile"
    assert turns.holder is None


async def test_a_window_ends_for_a_profile_and_none_begins_beside_it() -> None:
    turns, first, second = Turns(), Turn(), Turn()
    running, later = asyncio.Event(), asyncio.Event()
    early = asyncio.create_task(window(turns, first, running))
    await running.wait()
    async with turns.asked_for("CPU profile"):
        assert early.done()
        assert first.ended_for == "a CPU profile began"
        waiting = asyncio.create_task(window(turns, second, later))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not later.is_set()
    await asyncio.wait_for(later.wait(), 5)
    second.end("the test is over")
    await waiting


async def test_a_profile_that_is_cancelled_while_it_waits_leaves_the_way_free() -> None:
    turns, turn, running = Turns(), Turn(), asyncio.Event()

    async def stubborn() -> None:
        async with turns.window(turn):
            running.set()
            await over.wait()

    async def asked() -> None:
        async with turns.asked_for("CPU profile"):
            raise AssertionError("the window has not ended")

    over = asyncio.Event()
    held = asyncio.create_task(stubborn())
    await running.wait()
    profile = asyncio.create_task(asked())
    await asyncio.sleep(0)
    profile.cancel()
    await asyncio.gather(profile, return_exceptions=True)
    assert turns.holder is None
    over.set()
    await held
    async with turns.window(Turn()):
        pass


def test_the_first_reason_for_an_end_stands() -> None:
    turn = Turn()
    assert not turn.over()
    turn.end("one")
    turn.end("another")
    assert turn.over()
    assert turn.ended_for == "one"
