import asyncio

from diag.profilers.frames import FrameNames
from diag.profilers.waiting import WaitingTasks


def test_without_a_tick_nothing_waits() -> None:
    loop = asyncio.new_event_loop()
    assert WaitingTasks(loop, 99).weights(FrameNames(), 100) == {}
    loop.close()
