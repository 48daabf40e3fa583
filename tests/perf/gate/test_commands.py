"""Runs of two commands: what they are charged, and how they fail."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from diag.perf.gate.commands import CPU, MEMORY, UNITS, Commands
from diag.perf.gate.suite import AGAIN, BASE, HEAD, Crashed
from tests.polling import until

PYTHON = [sys.executable, "-I", "-S", "-c"]


def commands(base: list[str], head: list[str]) -> Commands:
    return Commands(base, head, random.Random(0))


def test_no_arms_run_nothing() -> None:
    assert commands(["no-such-command"], ["no-such-command"]).measure([], UNITS) == []


def test_cpu_and_memory_are_the_commands_own() -> None:
    idle = [*PYTHON, "import time; time.sleep(0.2)"]
    busy = [*PYTHON, "held = bytearray(64 << 20); sum(range(5_000_000))"]
    base, head, again = commands(idle, busy).measure([BASE, HEAD, AGAIN], UNITS)
    assert base[CPU] < 0.2 < 20
    assert head[CPU] > 1.5 * base[CPU]
    assert head[MEMORY] - base[MEMORY] == pytest.approx(64 << 20, rel=0.05)
    assert again[MEMORY] == pytest.approx(base[MEMORY], rel=0.1)


def test_a_grandchild_counts_too() -> None:
    inner = "held = bytearray(64 << 20)"
    outer = [
        *PYTHON,
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)",
    ]
    (head,) = commands(["true"], outer).measure([HEAD], [MEMORY])
    assert head[MEMORY] > 64 << 20


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-command", "a b"], "no-such-command 'a b' cannot be started: No such file or directory."),
        (["false"], "false ended with 1 and said nothing."),
        (
            [*PYTHON, "import os; print('why', flush=True); os.kill(os.getpid(), 9)"],
            "ended with -9. It said: why",
        ),
    ],
)
def test_a_failure_is_told_with_its_words(command: list[str], words: str) -> None:
    with pytest.raises(Crashed) as failure:
        commands(["true"], command).measure([BASE, HEAD], UNITS)
    assert failure.value.label == HEAD
    assert failure.value.words.endswith(words)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGHUP])
def test_what_runs_ends_with_who_measures_it(tmp_path: Path, end: signal.Signals) -> None:
    left = tmp_path / "left"
    inner = f"import os, time; open({str(left)!r}, 'w').write(str(os.getpid()) + ' '); time.sleep(1000)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    measuring = [sys.executable, "-m", "diag", "perf", "compare", "--", "true", "---", *PYTHON, outer]
    with subprocess.Popen(measuring, stdout=subprocess.DEVNULL, cwd=tmp_path) as process:
        until(lambda: left.exists() and left.read_text().endswith(" "))
        process.send_signal(end)
    pid = left.read_text().strip()
    until(lambda: not running(pid))


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
