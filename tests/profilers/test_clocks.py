import asyncio
import os
import subprocess
import sys
import threading

import pytest

from diag.profilers.clocks import best_clock
from diag.profilers.perf_clock import PerfClock
from tests.profilers.conftest import ROOT
from tests.profilers.service import perf_events
from tests.profilers.test_perfevent import refusal

pytestmark = pytest.mark.anyio
needs_events = pytest.mark.skipif(refusal() is not None, reason=f"no perf events: {refusal()}")

REFUSED = """
import asyncio
from tests.profilers.service import REFUSED, refuse
refuse(REFUSED["no-perf"])
from diag.profilers.clocks import best_clock
async def main():
    async with best_clock(dense=True) as clock:
        print(clock.note)
        print(clock.most[0])
asyncio.run(main())
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@needs_events
async def test_a_clock_that_watches_nothing_leaves_nothing() -> None:
    async with best_clock(dense=True) as clock:
        assert isinstance(clock, PerfClock)
    assert perf_events() == 0


@needs_events
@pytest.mark.parametrize(("dense", "each"), [(True, 0.001), (False, 1 / 19)])
async def test_looks_are_dense_where_that_was_asked(dense: bool, each: float) -> None:
    async with best_clock(dense=dense) as clock:
        clock.watch(threading.get_native_id(), 19).close()
        assert isinstance(clock, PerfClock)
        assert clock.each == each


@needs_events
async def test_the_loop_goes_on_while_the_kernel_prepares() -> None:
    entered = asyncio.Event()

    async def enter() -> None:
        async with best_clock(dense=True):
            entered.set()

    task = asyncio.create_task(enter())
    turns = 0
    while not entered.is_set():
        await asyncio.sleep(0)
        turns += 1
    await task
    assert turns > 1


@needs_events
async def test_one_that_is_cancelled_while_the_kernel_prepares_leaves_nothing() -> None:
    async def enter() -> None:
        async with best_clock(dense=True):
            await asyncio.Event().wait()

    for turns in range(1, 5):
        task = asyncio.create_task(enter())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert perf_events() == 0


def test_where_the_kernel_refuses_the_ticks_serve_and_say_why() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.stderr, done.returncode) == ("", 0)
    note, most = done.stdout.splitlines()
    assert "kernel's ticks" in note
    assert "CAP_PERFMON" in note
    assert int(most) >= 50
