"""``make flamegraph`` as a command: its pictures, its words, and that nothing outlives it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from diag.perf import flamegraph_job
from diag.perf.engine import missing
from tests.e2e.conftest import Process, children_of, processes
from tests.polling import until

_NAMES = ("cpu", "memory", "trace")

needs_engine = [
    pytest.mark.engine,
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]


def start(out: Path, workload: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "diag.perf.flamegraph_job", "--out", str(out)]
    return subprocess.Popen(
        [*command, "--workload", workload, "--seconds", str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )


def stacks_of(path: Path) -> list[list[str]]:
    return [line.rpartition(" ")[0].split(";") for line in path.read_text().splitlines()]


def child(job: subprocess.Popen[str], module: str) -> Process:
    """The job's child that runs the module, once it is there."""
    found: list[Process] = []

    def look() -> bool:
        found[:] = [process for process in children_of(job.pid) if f"-m {module}" in process.command]
        return bool(found)

    until(look)
    return found[0]


def assert_nothing_left(started: list[Process], scratch: Path) -> None:
    until(lambda: not {process.pid for process in started} & {process.pid for process in processes()})
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("workload", [pytest.param("sql", marks=needs_engine), "kv"])
def test_it_writes_whole_pictures_of_our_own_code(tmp_path: Path, scratch: Path, workload: str) -> None:
    out = tmp_path / "out"
    job = start(out, workload, 2.0)
    said, _ = job.communicate(timeout=100)
    assert job.returncode == 0, said
    for name in _NAMES:
        svg, folded = out / f"{name}.svg", out / f"{name}.folded"
        ElementTree.parse(svg)
        assert stacks_of(folded), name
        assert str(svg) in said
        assert str(folded) in said
    assert len(re.findall(r"^ *\d+\.\d% +\d+\.\d% ", said, re.MULTILINE)) == 10, said
    assert list(scratch.iterdir()) == []

    pictured = (out / "cpu.svg").read_text()
    assert "handle" in pictured or "dispatch" in pictured
    assert "diag/rpc/" in (out / "cpu.folded").read_text()


def test_no_cpu_stack_is_torn(tmp_path: Path, scratch: Path) -> None:
    out = tmp_path / "out"
    job = start(out, "kv", 2.0)
    said, _ = job.communicate(timeout=100)
    assert job.returncode == 0, said
    roots = {stack[0] for stack in stacks_of(out / "cpu.folded")}
    functions = {root.partition(" (")[0] for root in roots}
    # A program's module or a thread's start; and CPU time that no Python stack stands for.
    assert functions <= {"_run_module_as_main", "Thread._bootstrap", "[outside the interpreter]"}
    assert "_run_module_as_main" in functions


def test_a_dead_node_is_told_and_nothing_is_left(tmp_path: Path, scratch: Path) -> None:
    job = start(tmp_path / "out", "kv", 30)
    child(job, "diag.perf.kv_load_child")
    started = children_of(job.pid)
    os.kill(child(job, "diag").pid, signal.SIGKILL)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "The node ended with status -9" in said
    assert_nothing_left(started, scratch)


@pytest.mark.engine
@pytest.mark.skipif(missing() is not None, reason=missing() or "")
def test_a_dead_engine_is_told_and_nothing_is_left(tmp_path: Path, scratch: Path) -> None:
    job = start(tmp_path / "out", "sql", 30)
    child(job, "diag.perf.kv_load_child")
    started = children_of(job.pid)
    os.kill(child(job, "diag.perf.engine_child").pid, signal.SIGKILL)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "The query engine ended with status -9" in said
    assert_nothing_left(started, scratch)


def test_an_interrupt_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    job = start(tmp_path / "out", "kv", 30)
    child(job, "diag.perf.kv_load_child")
    started = children_of(job.pid)
    job.terminate()
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "interrupted" in said
    assert_nothing_left(started, scratch)


def test_without_an_engine_it_says_so_and_uses_the_kv_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scratch: Path
) -> None:
    monkeypatch.setitem(sys.modules, "databend", None)
    code = flamegraph_job.main(["--seconds", "0.5", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "is not installed" in said
    assert "SQL statements" not in said
    assert (tmp_path / "out" / "cpu.svg").exists()


def test_an_output_that_cannot_be_made_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    job = start(tmp_path / "file" / "out", "kv", 1)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "cannot be written" in said


@pytest.mark.parametrize("seconds", ["0", "301", "nan", "soon"])
def test_seconds_out_of_range_are_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        flamegraph_job.main(["--seconds", seconds])
    assert exit_.value.code == 2
    assert "seconds" in capsys.readouterr().err
