import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from diag.errors import InvalidRequest, ProfilerMissing
from diag.profilers.capture import Capture
from diag.profilers.operation import around
from diag.profilers.span import OperationSpan
from tests.polling import until
from tests.profilers.profiles import capture

pytestmark = pytest.mark.anyio

Profile = Callable[[OperationSpan], Coroutine[Any, Any, Capture]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def profile(said: list[str], seconds: float = 60.0) -> Profile:
    """An engine that waits for the end of its span."""

    async def take(span: OperationSpan) -> Capture:
        said.append("profile begins")
        span.begin()
        try:
            await asyncio.to_thread(until, span.over, seconds)
        except AssertionError:
            said.append("seconds are up")
        said.append("profile ends")
        return capture(notes=("measured",))

    return take


async def test_an_operation_that_does_nothing_has_a_profile() -> None:
    said: list[str] = []

    async def nothing() -> tuple[str, ...]:
        said.append("operation")
        return ()

    taken = await around(profile(said), nothing)
    assert said == ["profile begins", "operation", "profile ends"]
    assert taken.notes[0] == "measured"
    assert taken.notes[1].startswith("The operation took 0.")


async def test_the_operation_s_notes_stand_in_the_profile() -> None:
    async def work() -> tuple[str, ...]:
        await asyncio.sleep(0.01)
        return ("3 keys",)

    assert (await around(profile([]), work)).notes[-1] == "3 keys"


async def test_what_the_operation_raises_ends_the_profile() -> None:
    before, said = asyncio.all_tasks(), list[str]()

    async def fail() -> tuple[str, ...]:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest, match="no"):
        await around(profile(said, 1.0), fail)
    assert asyncio.all_tasks() == before


async def test_a_profiler_that_cannot_begin_leaves_the_operation_undone() -> None:
    async def refused(_: OperationSpan) -> Capture:
        raise ProfilerMissing("none here")

    async def never() -> tuple[str, ...]:
        raise AssertionError

    with pytest.raises(ProfilerMissing):
        await around(refused, never)


async def test_an_operation_longer_than_the_profile_is_ended() -> None:
    said: list[str] = []

    async def endless() -> tuple[str, ...]:
        try:
            await asyncio.sleep(60)
        finally:
            said.append("operation ended")
        return ()

    taken = await around(profile(said, 0.05), endless)
    assert said == ["profile begins", "seconds are up", "profile ends", "operation ended"]
    assert "was ended" in taken.notes[-1]


async def test_cancelled_it_ends_both() -> None:
    before, begun = asyncio.all_tasks(), asyncio.Event()

    async def endless() -> tuple[str, ...]:
        begun.set()
        await asyncio.sleep(60)
        return ()

    task = asyncio.create_task(around(profile([], 1.0), endless))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
