"""A module of ours runs as a process from any directory, and is this tree's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import diag
from diag.processes.modules import environment, import_path, last_words, module_command


@pytest.mark.parametrize("entry", ["", "."])
def test_a_relative_entry_is_told_in_full(
    entry: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry, "/usr/lib/python3"])
    assert import_path().split(":") == [str(tmp_path), "/usr/lib/python3"]


def test_a_module_is_this_trees_and_not_one_that_lies_about(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    done = subprocess.run(
        module_command("json.tool"), input=b"{}", capture_output=True, cwd=tmp_path, env=environment()
    )
    assert json.loads(done.stdout) == {}
    shown = subprocess.run(
        [sys.executable, "-P", "-c", "import diag; print(diag.__file__)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
    )
    assert shown.stdout.strip() == str(diag.__file__)


def test_the_last_words_of_a_process() -> None:
    assert last_words(b"") == "nothing"
    assert last_words(b" \n", "status 3") == "status 3"
    assert last_words(b"Traceback\n  more\nValueError: \xff\n\n") == "ValueError: \ufffd"
