"""Whole runs on a repository that holds this project: same code, broken code, bad input, an interrupt."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from diag.perf.children import environment
from tests.perf.gate.repositories import commit, git, project, replace
from tests.polling import until

APPLY = "diag/kv/apply.py"
KEY_CHECK = "def _check_key(key: str, most: int = MAX_KEY_BYTES) -> None:\n"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("gate") / "project")


@pytest.fixture(autouse=True)
def _restored(request: pytest.FixtureRequest) -> None:
    if "repo" in request.fixturenames:
        where = request.getfixturevalue("repo")
        git(where, "switch", "--quiet", "main")
        git(where, "checkout", "--quiet", "--force", ".")
        git(where, "clean", "--quiet", "--force", "-d")


def command(*words: str) -> list[str]:
    """So nice that other tests have their turn beside what is to be served first."""
    return ["nice", "-n", "10", sys.executable, "-m", "diag.perf.gate", *words]


def check(repo: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=repo, env=environment(), capture_output=True, text=True, timeout=110
    )


def told(repo: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((repo / "build/perf/report.json").read_text())
    return found


def test_a_base_that_does_not_exist(repo: Path) -> None:
    done = check(repo, "--base", "nowhere")
    assert done.returncode == 2
    assert "There is no commit 'nowhere'" in done.stdout


def test_a_base_that_does_not_build(repo: Path) -> None:
    git(repo, "switch", "--quiet", "--create", "unbuildable")
    replace(repo / "pyproject.toml", 'build-backend = "hatchling.build"', 'build-backend = "no_such"')
    commit(repo, {}, "a build that fails")
    git(repo, "switch", "--quiet", "main")
    done = check(repo, "--base", "unbuildable")
    assert done.returncode == 2
    assert "a build that fails) does not build" in done.stdout
    assert "no_such" in done.stdout


def test_few_pairs_cannot_tell_and_a_dirty_tree_is_said(repo: Path) -> None:
    (repo / "diag/new.py").write_text("")
    wanted = [word for name in ("get", "memory at rest") for word in ("--only", name)]
    done = check(repo, *wanted, "--pairs", "1")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "1 file not committed" in done.stdout
    results = told(repo)["results"]
    assert isinstance(results, list)
    assert [result["name"] for result in results] == ["get", "memory at rest"]
    assert all(len(result["pairs"]["head"]) == 1 for result in results)
    assert "cannot tell" in (repo / "build/perf/report.md").read_text()


def test_a_head_that_does_not_start_fails_with_its_output(repo: Path) -> None:
    (repo / "diag/node.py").write_text("raise ValueError('broken on purpose')\n")
    done = check(repo, "--only", "get", "--pairs", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL: head does not start, and base does." in done.stdout
    assert "broken on purpose" in done.stdout


def test_a_workload_that_fails_on_head_alone_is_a_failure_and_the_others_go_on(repo: Path) -> None:
    replace(
        repo / APPLY, KEY_CHECK, f'{KEY_CHECK}    if "gate/txn" in key:\n        raise ValueError("broken")\n'
    )
    done = check(repo, "--only", "get", "--only", "transaction", "--pairs", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Head fails at transaction, and base does not." in done.stdout
    results = told(repo)["results"]
    assert isinstance(results, list)
    assert results[0]["pairs"] is not None


@contextmanager
def after_a_round(repo: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that would go on for long."""
    (repo / "diag/new.py").write_text("")
    with subprocess.Popen(
        command("--only", "memory at rest", "--pairs", "1000"),
        cwd=repo,
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        lines: list[str] = []
        while not any(line.startswith("1 round,") for line in lines):
            line = run.stdout.readline()
            assert line, lines
            lines.append(line)
        yield run


def servers_of(parent: int) -> list[int]:
    """Processes that are measured, by whose they are: they carry it in their environment."""
    own = f"DIAG_PERF_PARENT={parent}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if own in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def test_an_interrupt_reports_what_was_measured(repo: Path) -> None:
    with after_a_round(repo) as run:
        assert run.stdout is not None
        os.killpg(run.pid, signal.SIGINT)
        rest = run.stdout.read()
        until(lambda: run.poll() is not None)
    assert run.returncode == 130
    assert "interrupted after" in rest
    assert "memory at rest" in rest


def test_a_run_that_is_killed_leaves_no_server(repo: Path) -> None:
    with after_a_round(repo) as run:
        until(lambda: bool(servers_of(run.pid)))
        run.kill()
        until(lambda: not servers_of(run.pid))
