"""Memory followed since the start, by a child that is asked at any time. memray runs once in a process."""

import os
import signal
import subprocess

import pytest

from diag.errors import Conflict, InvalidRequest, Unavailable
from diag.profilers.hub import Profilers
from diag.profilers.lifelong import MemoryFromStart
from diag.profilers.lock import ProfileLock
from diag.profilers.requests import HeapRequest, TraceRequest
from tests.polling import until_async
from tests.profilers.conftest import weight_of

pytestmark = pytest.mark.anyio

SIZE = 30_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def planted() -> bytearray:
    return bytearray(SIZE)


def account_of() -> int:
    """The pid of the child."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[0]) for line in shown.splitlines() if "diag.profilers.held" in line)


async def test_where_it_is_not_followed_that_is_said() -> None:
    with pytest.raises(Conflict, match="memory_from_start = true"):
        await Profilers(ProfileLock()).memory("held")
    life = MemoryFromStart()
    life.require_none()
    with pytest.raises(Unavailable):
        await life.take("held")
    await life.stop()


async def test_what_is_held_and_what_was_at_the_peak_are_told_while_it_goes_on() -> None:
    life = MemoryFromStart()
    profilers = Profilers(ProfileLock(), life=life)
    await life.start()
    try:
        with pytest.raises(InvalidRequest, match="held or peak"):
            await profilers.memory("leaks")
        held = planted()
        first = await profilers.memory("held")
        assert abs(weight_of(first.folded.decode(), "planted") - SIZE) < SIZE / 100
        assert first.notes[0].startswith("Since the start of the node")
        assert "MB in memory now (RSS), and 3" in first.notes[-1]
        del held
        second = await profilers.memory("held")
        while weight_of(second.folded.decode(), "planted"):  # the account is a moment behind
            second = await profilers.memory("held")
        peak = await profilers.memory("peak")
        assert abs(weight_of(peak.folded.decode(), "planted") - SIZE) < SIZE / 100
        for refused in (
            profilers.heap(HeapRequest(seconds=0.1), "test"),
            profilers.trace(TraceRequest(seconds=0.1), "test"),
        ):
            with pytest.raises(Conflict, match="/debug/pprof/memory"):
                await refused
    finally:
        await life.stop()
    assert not life.follows()


async def test_a_child_that_is_killed_ends_the_account_and_nothing_else() -> None:
    life = MemoryFromStart()
    await life.start()
    try:
        os.kill(account_of(), signal.SIGKILL)
        await until_async(lambda: not life.follows())
        with pytest.raises(Unavailable, match="Start the node again"):
            await life.take("held")
        life.require_none()
        assert planted()
    finally:
        await life.stop()
