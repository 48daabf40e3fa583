"""``diag perf compare``: words of the command line, verdicts, exit codes."""

import json
import sys
from pathlib import Path

import pytest

from diag.cli import main

PYTHON = [sys.executable, "-I", "-S", "-c"]


def compare(*words: str) -> int:
    return main(["perf", "compare", *words])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "two commands with one ---"),
        (["--", "true"], "two commands with one ---"),
        (["--", "true", "---", "true", "---", "true"], "two commands with one ---"),
        (["--", "---", "true"], "before --- is missing"),
        (["--", "true", "---"], "after --- is missing"),
    ],
)
def test_what_are_not_two_commands(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*words) == 2
    assert told in capsys.readouterr().err


def test_more_memory_and_more_work_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = [*PYTHON, "held = bytearray(64 << 20); sum(range(3_000_000))"]
    code = compare("--pairs", "12", "--out", str(tmp_path), "--", *PYTHON, "pass", "---", *work)
    assert code == 1
    out = capsys.readouterr().out
    assert out.splitlines()[-2].startswith("base: ")
    assert "FAIL: head is slower, hungrier or broken" in out
    results = json.loads((tmp_path / "report.json").read_text())["results"]
    assert {result["name"]: result["verdict"] for result in results}["peak memory"] == "fail"


def test_a_command_that_fails_alone_fails_with_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("--", "true", "---", *PYTHON, "raise ValueError('on purpose')") == 1
    out = capsys.readouterr().out
    assert out.count("ValueError: on purpose") == 1
    assert out.splitlines()[1] == "FAIL: head fails at the run, and base does not."


def test_two_commands_that_fail_cannot_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("--", "false", "---", "false") == 2
    out = capsys.readouterr().out
    assert "cannot tell: both sides fail at the run.\n    false ended with 1 and said nothing.\n" in out
