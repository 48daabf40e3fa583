import errno
import os
import subprocess
import sys

import pytest

from diag.profilers.perf_clock import PerfClock, Used, refusal, spaced
from diag.profilers.tick_clock import TickClock
from tests.profilers import test_perfevent

needs_events = pytest.mark.skipif(
    test_perfevent.refusal() is not None, reason=f"no perf events: {test_perfevent.refusal()}"
)


class Process:
    """One that uses a share of a processor, and switches so often in a second, as time is let pass."""

    def __init__(self, share: float, switches: float) -> None:
        self._share = share
        self._switches = switches
        self._now = 0.0

    def used(self) -> Used:
        return Used(self._now, self._now * self._share, round(self._now * self._switches))

    def passes(self, seconds: float) -> None:
        self._now += seconds


def test_at_once_there_is_nothing_to_adapt_to() -> None:
    process = Process(0.5, 20_000)
    clock = PerfClock(dense=True, used=process.used)
    assert clock.adapt(99, 0.0) is clock
    assert clock.each is None


@pytest.mark.parametrize("gap", [0.001, 0.01, 0.04, 0.1])
def test_however_often_it_is_asked_it_leaves_to_ticks_where_switches_are_many(gap: float) -> None:
    process = Process(0.5, 20_000)
    clock = PerfClock(dense=True, used=process.used)
    for _ in range(round(0.2 / gap)):
        process.passes(gap)
        if isinstance(clock.adapt(250, 0.0), TickClock):
            return
    pytest.fail("it is still there after 0.2 s")


@pytest.mark.parametrize("gap", [0.001, 0.01, 0.04, 0.1])
@pytest.mark.parametrize(("dense", "each"), [(True, spaced(99, 0.9, 500e-6)), (False, None)])
def test_however_often_it_is_asked_it_follows_the_use_of_the_processor(
    gap: float, dense: bool, each: float | None
) -> None:
    process = Process(0.9, 10)
    clock = PerfClock(dense=dense, used=process.used)
    for _ in range(round(0.2 / gap)):
        process.passes(gap)
        assert clock.adapt(99, 500e-6) is clock
    assert clock.each == pytest.approx(each)


@pytest.mark.parametrize(
    ("rate", "share", "cost", "looks"),
    [
        (99, 0.0, 0.0, 1000),
        (99, 0.1, 0.0, 1000),
        (99, 0.99, 0.0, 400),
        (99, 2.0, 0.0, 198),
        (99, 8.0, 0.0, 99),
        (99, 1.0, 20e-6, 396),
        (99, 1.0, 50e-6, 200),
        (99, 1.0, 500e-6, 99),
        (99, 0.01, 500e-6, 1000),
        (1000, 0.5, 0.0, 1000),
        (1000, 2.0, 0.0, 1000),
        (1, 0.5, 0.0, 8),
    ],
)
def test_looks_are_as_dense_as_their_cost_and_the_use_of_the_processor_allow(
    rate: float, share: float, cost: float, looks: float
) -> None:
    assert 1 / spaced(rate, share, cost) == pytest.approx(looks)


def test_a_refusal_says_how_to_permit_it() -> None:
    said = refusal(OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert "CAP_PERFMON" in said
    assert "perf_event_paranoid" in said
    assert "seccomp" in said


def test_what_no_right_would_change_is_told_as_it_is() -> None:
    assert "No such file" in refusal(OSError(errno.ENOENT, os.strerror(errno.ENOENT)))


@needs_events
def test_that_a_thread_fell_back_to_the_kernel_s_ticks_is_told() -> None:
    done = subprocess.run([sys.executable, "-c", SHORT], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    before, after = done.stdout.splitlines()
    assert before == "The moments were drawn from each thread's CPU time, by perf events."
    assert "threads that got none (half of the process's file descriptors are in use)" in after
    assert "kernel's ticks" in after


SHORT = """
import os, resource, threading
from diag.profilers.perf_clock import PerfClock
clock = PerfClock(dense=True)
try:
    clock.watch(2**22 + 1, 99)
except OSError:
    print(clock.note)
held = [os.dup(0) for _ in range(9)]
resource.setrlimit(resource.RLIMIT_NOFILE, (16, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
clock.watch(threading.get_native_id(), 99).close()
print(clock.note)
"""
