import os
import signal
from pathlib import Path

import pytest

from tests.polling import until
from tests.profilers.conftest import Client, Start

LONG = [
    ("cpu", {"seconds": 60}),
    ("cpu", {"seconds": 60, "engine": "py-spy"}),
    ("cpu", {"seconds": 60, "engine": "inprocess"}),
    ("cpu", {"seconds": 60, "engine": "inprocess", "mode": "wall"}),
    ("heap", {"seconds": 60}),
    ("heap", {"seconds": 60, "mode": "temporary"}),
    ("trace", {"seconds": 60}),
]
each_profile = pytest.mark.parametrize(("op", "request_"), LONG)


def begin(service: Client, op: str, request: dict[str, object]) -> int:
    number = service.send(op, **request)
    until(lambda: not service.idle())
    if op == "cpu" and request.get("engine") == "py-spy":
        until(lambda: "py-spy" in service.children())
    return number


def test_closing_without_a_profile_refuses_later_ones(start: Start) -> None:
    service = start()
    service.ask("close")
    assert service.ask("cpu", seconds=0.1)["error"] == "Unavailable"


@each_profile
def test_cancelled_it_leaves_nothing_and_frees_the_lock(
    start: Start, op: str, request_: dict[str, object]
) -> None:
    service = start("shares")
    before = service.ask("state")
    number = begin(service, op, request_)
    service.cancel(number)
    assert service.result(number)["error"] == "CancelledError"
    after = service.ask("state")
    assert after == {**before, "id": after["id"], "took": after["took"]}
    assert service.children() == []
    assert service.leftovers() == []
    assert "error" not in service.ask("trace", seconds=0.1)


def test_a_second_profile_is_told_who_runs(start: Start) -> None:
    service = start()
    first = begin(service, "cpu", {"seconds": 1})
    for op in ("cpu", "heap", "trace"):
        refused = service.ask(op, seconds=0.1)
        assert refused["error"] == "ProfilerBusy"
        assert "cpu profile for a test" in refused["message"]
    assert "error" not in service.result(first)
    assert "error" not in service.ask("cpu", seconds=0.1)


@each_profile
def test_closed_in_mid_profile_it_ends(start: Start, op: str, request_: dict[str, object]) -> None:
    service = start()
    number = begin(service, op, request_)
    service.ask("close")
    assert service.result(number)["error"] == "Unavailable"
    assert service.children() == []
    assert service.idle()


@each_profile
def test_terminated_in_mid_profile_the_service_ends_well(
    start: Start, op: str, request_: dict[str, object]
) -> None:
    service = start("graceful")
    begin(service, op, request_)
    children = service.child_pids()
    os.kill(service.pid, signal.SIGTERM)
    assert service.process.wait(10) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid, _ in children)
    assert service.leftovers() == []


@each_profile
def test_killed_in_mid_profile_nothing_is_left(start: Start, op: str, request_: dict[str, object]) -> None:
    service = start("shares")
    begin(service, op, request_)
    children = service.child_pids()
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait(10)
    until(lambda: not any(alive(pid) for pid, _ in children))
    assert service.leftovers() == []


def alive(pid: int) -> bool:
    """Running, not only waiting to be reaped by the system's first process."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_without_py_spy_the_sampler_takes_over_and_says_so(start: Start) -> None:
    service = start("shares", "no-py-spy")
    capture = service.ask("cpu", seconds=0.3, native=True, mode="gil", frequency=99)
    assert (capture["engine"], capture["mode"]) == ("inprocess", "cpu")
    assert "not by py-spy" in capture["notes"][0]
    assert len(capture["notes"]) == 4
    refused = service.ask("cpu", seconds=0.3, engine="py-spy")
    assert refused["error"] == "ProfilerMissing"
    assert "install" in refused["message"]


def test_bad_parameters_take_no_lock(start: Start) -> None:
    service = start()
    assert service.ask("cpu", seconds=0)["error"] == "InvalidRequest"
    assert service.idle()
