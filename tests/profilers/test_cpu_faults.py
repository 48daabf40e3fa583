"""py-spy killed, hanging, refused by the system, or beside another tracer: a clear answer, nothing left."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.polling import until
from tests.profilers.conftest import Client, Start, weight_of

SAMPLES = 30  # as often as py-spy has slept when it surely samples

TRACER = """
import ctypes, os, sys
PTRACE_CONT, PTRACE_SEIZE, WALL = 7, 0x4206, 0x40000000
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
assert ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, None) == 0
print("ready", flush=True)
while True:
    pid, status = os.waitpid(-1, WALL)
    if not os.WIFSTOPPED(status):
        break
    ptrace(PTRACE_CONT, pid, None, os.WSTOPSIG(status))
"""


def py_spy_of(service: Client) -> int:
    """Its pid, once it samples."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid, name in service.child_pids() if name == "py-spy"]
        return bool(found) and int(status_of(found[0], "voluntary_ctxt_switches")) > SAMPLES

    until(look)
    return found[0]


def status_of(pid: int, field: str) -> str:
    found = re.search(rf"^{field}:\s*(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, field
    return found[1]


def tracer_of(pid: int) -> int:
    return int(status_of(pid, "TracerPid"))


def assert_nothing_is_left(service: Client) -> None:
    assert service.idle()
    assert tracer_of(service.pid) == 0
    assert service.children() == []
    assert service.leftovers() == []
    assert service.ask("cpu", seconds=0.2, engine="py-spy")["engine"] == "py-spy"


def test_killed_it_is_told_and_the_service_goes_on(start: Start) -> None:
    service = start("shares")
    profile = service.send("cpu", seconds=30, engine="py-spy")
    os.kill(py_spy_of(service), signal.SIGKILL)
    outcome = service.result(profile)
    assert outcome["error"] == "ProfilerError"
    assert "ended by SIGKILL" in outcome["message"]
    assert_nothing_is_left(service)


def test_hanging_it_is_ended(start: Start) -> None:
    service = start("shares")
    profile = service.send("cpu", seconds=0.5, engine="py-spy")
    os.kill(py_spy_of(service), signal.SIGSTOP)
    outcome = service.result(profile)
    assert outcome["error"] == "ProfilerError"
    assert_nothing_is_left(service)


def test_hanging_in_a_sample_it_does_not_take_the_service_with_it(start: Start) -> None:
    service = start("shares", "parked")
    profile = service.send("cpu", seconds=60, engine="py-spy", mode="wall", native=True)

    def stopped_together() -> bool:
        py_spy = py_spy_of(service)
        os.kill(py_spy, signal.SIGSTOP)
        until(lambda: status_of(py_spy, "State") in "Tt")
        if status_of(service.pid, "State") == "t":
            return True
        os.kill(py_spy, signal.SIGCONT)
        return False

    until(stopped_together, 60)
    outcome = service.result(profile)
    assert "kept the process stopped" in outcome["message"]
    assert_nothing_is_left(service)


def test_a_seccomp_filter_is_named_and_the_default_needs_no_leave(start: Start) -> None:
    service = start("no-ptrace", "shares")
    refused = service.ask("cpu", seconds=0.2, engine="py-spy")
    assert refused["error"] == "ProfilerDenied"
    assert "seccomp" in refused["message"]
    assert weight_of(service.ask("cpu", seconds=0.3)["folded"], "work_a")


@contextmanager
def traced(pid: int) -> Iterator[None]:
    """Somebody else's debugger is attached."""
    with subprocess.Popen(
        [sys.executable, "-c", TRACER, str(pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tracer:
        assert tracer.stdout is not None
        if tracer.stdout.readline() != "ready\n":
            pytest.skip("nothing may be traced here")
        try:
            yield
        finally:
            tracer.kill()


def test_another_tracer_is_told(start: Start) -> None:
    service = start("shares")
    with traced(service.pid):
        refused = service.ask("cpu", seconds=0.2, engine="py-spy")
        assert refused["error"] in ("ProfilerDenied", "ProfilerError")
        assert "trace" in refused["message"]
        assert weight_of(service.ask("cpu", seconds=1)["folded"], "work_a")
    assert_nothing_is_left(service)
