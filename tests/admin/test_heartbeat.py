"""Whoever waits for a node learns that it fell silent, at the beginning and in the middle."""

import asyncio

import pytest

from diag.admin.heartbeat import ALIVE_SECONDS, AWAKE_SECONDS, while_alive
from diag.errors import NotInTime
from tests.polling import until_async

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Node:
    """Says that it is alive ``times`` times, and is silent from then on; ``asked`` has the bounds."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.asked: list[float] = []
        self.ended = False

    async def ask(self, within: float) -> None:
        self.asked.append(within)
        if len(self.asked) > self._times:
            raise NotInTime("silent")

    async def work(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def outcome() -> int:
    return 7


async def test_what_is_done_at_once_is_the_outcome() -> None:
    assert await while_alive(outcome(), Node(times=1).ask) == 7


@pytest.mark.parametrize("times", [0, 1, 5])
async def test_silence_ends_the_work_whenever_it_comes(times: int) -> None:
    node = Node(times)
    with pytest.raises(NotInTime, match="silent"):
        await while_alive(node.work(), node.ask, pause=0.0)
    assert node.ended
    assert node.asked == [AWAKE_SECONDS, *[ALIVE_SECONDS] * times]


async def test_what_the_work_raises_is_raised() -> None:
    async def failing() -> None:
        raise ValueError("none")

    with pytest.raises(ValueError, match="none"):
        await while_alive(failing(), Node(times=1).ask)


async def test_who_waits_no_more_ends_both() -> None:
    node = Node(times=1)
    waiting = asyncio.create_task(while_alive(node.work(), node.ask))
    await until_async(lambda: bool(node.asked))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert node.ended
