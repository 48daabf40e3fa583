"""Calls counted in a process of their own, whose second thread works in bursts between two waits."""

import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.polling import until

_PROGRAM = """
import sys, threading, time
from diag.perf.gate import call_times

def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def in_bursts(go, done):
    while go.acquire():
        burn(1e-4)
        done.release()

if sys.argv[1]:
    call_times.start(sys.argv[1])
go, done = threading.Semaphore(0), threading.Semaphore(0)
threading.Thread(target=in_bursts, args=(go, done), daemon=True).start()
print(flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        go.release()
        done.acquire()
    print(flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "program.py").write_text(_PROGRAM)
    with subprocess.Popen(
        [sys.executable, tmp_path / "program.py", tmp_path / "calls"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def own_seconds(process: subprocess.Popen[str], place: Path) -> dict[str, float]:
    """Of each function, what was counted since the last time."""
    file = place / "calls"
    file.unlink(missing_ok=True)
    os.kill(process.pid, signal.SIGUSR2)
    until(file.exists)
    threads: list[dict[tuple[str, int, str], Any]] = marshal.loads(file.read_bytes())
    return {function[2]: each[2] for stats in threads for function, each in stats.items()}


def bursts(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    process.stdout.readline()


def test_before_anything_was_called_nothing_is_told(program: subprocess.Popen[str], tmp_path: Path) -> None:
    own_seconds(program, tmp_path)
    assert "burn" not in own_seconds(program, tmp_path)


def test_bursts_of_another_thread_have_their_cpu_time_under_their_function(
    program: subprocess.Popen[str], tmp_path: Path
) -> None:
    bursts(program, 1_000)
    assert own_seconds(program, tmp_path)["burn"] == pytest.approx(0.1, rel=0.3)
    bursts(program, 10)
    assert own_seconds(program, tmp_path)["burn"] < 0.01
