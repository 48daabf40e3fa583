"""Who held the loop: a function that sleeps, one that computes, and a loop that nobody held."""

import asyncio
import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from diag.doctor.standstill import LATE, StandstillWatch
from diag.metrics.lag import LoopLag
from tests.polling import until_async

pytestmark = pytest.mark.anyio


#: A process that says whether it was stopped.
WATCHED = """
import asyncio
from diag.doctor.standstill import StandstillWatch
from diag.metrics.lag import LoopLag
from tests.polling import until_async

async def main():
    lag = LoopLag(interval=0.02)
    watching = StandstillWatch(lag)
    lag.start()
    watching.start()
    print("watched", flush=True)
    await until_async(lambda: watching.worst(60.0))
    stood = watching.worst(60.0)
    print(stood.stopped, stood.locked, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def watch() -> AsyncIterator[StandstillWatch]:
    lag = LoopLag(interval=0.02)
    watching = StandstillWatch(lag)
    lag.start()
    watching.start()
    yield watching
    watching.stop()
    await lag.stop()


needs_counts = pytest.mark.skipif(sys.platform != "linux", reason="needs counts of a thread's switches")


def hold_asleep() -> None:
    time.sleep(LATE + 0.5)  # no waiting for something: a call that sleeps on the loop is what is to be found


def hold_busy() -> None:
    until = time.monotonic() + LATE + 0.5
    while time.monotonic() < until:
        sum(range(1000))


@pytest.mark.parametrize(("hold", "name"), [(hold_asleep, "hold_asleep"), (hold_busy, "hold_busy")])
async def test_it_names_the_function_that_held_the_loop(
    watch: StandstillWatch, hold: Callable[[], None], name: str
) -> None:
    asyncio.get_running_loop().call_soon(hold)
    await until_async(lambda: watch.worst(60.0) is not None)
    stood = watch.worst(60.0)
    assert stood is not None
    assert stood.seconds >= LATE
    assert any(frame.startswith(f"{name} (") for frame in stood.stack), stood.stack
    assert "tests/doctor/test_standstill.py:" in " ".join(stood.stack)
    assert not stood.stopped
    assert not stood.locked


def sleep_with_the_lock() -> None:
    """As native code does that does not let go of the interpreter lock while it waits for a disk."""
    ctypes.PyDLL(None).usleep(round((LATE + 1.0) * 1e6))


@needs_counts
async def test_native_code_that_sleeps_with_the_interpreter_lock_is_no_stopped_process(
    watch: StandstillWatch,
) -> None:
    asyncio.get_running_loop().call_soon(sleep_with_the_lock)
    await until_async(lambda: watch.worst(60.0) is not None)
    stood = watch.worst(60.0)
    assert stood is not None
    assert (stood.locked, stood.stopped) == (True, False)
    assert stood.seconds >= LATE


@needs_counts
async def test_so_is_that_of_another_thread(watch: StandstillWatch) -> None:
    other = threading.Thread(target=sleep_with_the_lock)
    other.start()
    await until_async(lambda: watch.worst(60.0) is not None)
    other.join()
    stood = watch.worst(60.0)
    assert stood is not None
    assert (stood.locked, stood.stopped) == (True, False)


async def test_only_the_seconds_asked_for_count(watch: StandstillWatch) -> None:
    asyncio.get_running_loop().call_soon(hold_asleep)
    await until_async(lambda: watch.worst(60.0) is not None)
    assert watch.worst(-1.0) is None


async def test_it_ends_cleanly_however_often() -> None:
    watching = StandstillWatch(LoopLag())
    watching.stop()
    watching.start()
    watching.stop()
    watching.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "standstill watch"]


def test_a_process_that_was_stopped_is_told_from_a_function_that_held_the_loop() -> None:
    command = [sys.executable, "-c", WATCHED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "watched\n"
        child.send_signal(signal.SIGSTOP)
        # How long a process stands still is what it is to tell afterwards; nothing happens meanwhile.
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(3 * LATE)
        child.send_signal(signal.SIGCONT)
        stopped = child.stdout.readline()
        child.kill()
    assert stopped == "True False\n"
