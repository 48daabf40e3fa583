import signal
from pathlib import Path

import pytest

from diag.profilers.native import ROOT
from tests.polling import until
from tests.profilers.conftest import Start, weight_of, weights, work_shares

pytestmark = pytest.mark.alone

SIGNAL = {"engine": "signal"}
ROOTS = ("<module> (", "Thread._bootstrap (", "_run_module_as_main (", ROOT)


def test_an_idle_service_gives_a_valid_and_nearly_empty_profile(start: Start) -> None:
    capture = start().ask("cpu", seconds=0.3, **SIGNAL)
    assert (capture["engine"], capture["errors"]) == ("signal", 0)
    assert capture["samples"] <= 5
    assert sum(weights(capture["folded"]).values()) == capture["samples"]


@pytest.mark.parametrize("loop", [(), ("uvloop",)])
def test_it_is_the_default_and_known_shares_come_out(start: Start, loop: tuple[str, ...]) -> None:
    capture = start("shares", *loop).ask("cpu", seconds=4)
    assert work_shares(capture["folded"]) == pytest.approx([60, 30, 10], abs=7)
    assert (capture["engine"], capture["errors"]) == ("signal", 0)
    assert 0 < capture["pause_share"] < 0.2
    assert "C code counts for the Python line that called it" in capture["notes"][0]


def test_no_stack_is_torn_and_names_are_whole_as_by_py_spy(start: Start) -> None:
    service = start("shares", "parked", "compress")
    ours, theirs = (
        weights(service.ask("cpu", seconds=1, frequency=200, engine=engine)["folded"])
        for engine in ("signal", "py-spy")
    )
    assert all(stack.startswith(ROOTS) for stack in ours)
    frames = {frame.rpartition(":")[0] for stack in ours for frame in stack.split(";")}
    assert {"Service.shares (tests/profilers/service.py", "work_a (tests/profilers/service.py"} <= frames
    assert frames & {frame.rpartition(":")[0] for stack in theirs for frame in stack.split(";")}


def test_parked_threads_are_not_on_the_cpu(start: Start) -> None:
    folded = start("shares", "parked").ask("cpu", seconds=1, **SIGNAL)["folded"]
    assert weight_of(folded, "Event.wait") <= 0.02 * sum(weights(folded).values())


@pytest.mark.parametrize("engine", ["signal", "py-spy"])
@pytest.mark.parametrize("work", ["compress", "commits"])
def test_c_code_that_released_the_lock_is_on_the_cpu(start: Start, work: str, engine: str) -> None:
    capture = start(work).ask("cpu", seconds=2, engine=engine)
    stacks = weights(capture["folded"])
    there = sum(count for stack, count in stacks.items() if f"{work} (" in stack or stack == f"{ROOT};{work}")
    assert there >= 0.8 * capture["samples"] > 0


@pytest.mark.parametrize("work", ["compress", "commits"])
def test_native_mode_has_c_code_that_released_the_lock(start: Start, work: str) -> None:
    capture = start(work).ask("cpu", seconds=2, native=True)
    stacks = weights(capture["folded"])
    assert capture["engine"] == "py-spy"
    assert sum(count for stack, count in stacks.items() if work in stack) >= 0.8 * capture["samples"] > 0


def test_timer_handler_and_pipe_are_taken_away(start: Start) -> None:
    service = start("shares", "compress")
    before, files = service.ask("state"), open_files(service.pid)
    for _ in range(5):
        cancelled = service.send("cpu", seconds=60, **SIGNAL)
        until(lambda: not service.idle())
        service.cancel(cancelled)
        assert service.result(cancelled)["error"] == "CancelledError"
        assert "error" not in service.ask("cpu", seconds=0.2, **SIGNAL)
    after = service.ask("state")
    assert after["timers"] == [0, 0]
    assert after["handlers"] == before["handlers"]
    assert open_files(service.pid) == files
    status = Path(f"/proc/{service.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    assert not int(caught.split()[1], 16) >> (signal.SIGPROF - 1) & 1


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_loop_outside_the_main_thread_is_profiled_by_py_spy(start: Start) -> None:
    service = start("shares", "worker-loop")
    capture = service.ask("cpu", seconds=0.5)
    assert capture["engine"] == "py-spy"
    assert "does not run in the main thread" in capture["notes"][0]
    assert service.ask("cpu", seconds=0.5, **SIGNAL)["error"] == "ProfilerDenied"
