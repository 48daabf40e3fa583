import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from flamegraph.cli import main
from tests.flamegraph.cli.processes import run_module


def test_an_empty_input_is_a_picture_and_told(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["render", "-"]) == 2
    drawn, told = capsysbinary.readouterr()
    assert b"No samples" in drawn
    assert told == b"flamegraph: standard input: The profile is empty: there is nothing to draw.\n"


def test_a_profile_of_which_nothing_is_left_is_told(
    folded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(folded), "--focus", "nobody", "-o", str(tmp_path / "out.svg")]) == 2
    assert f"{folded}: The profile is empty" in capsys.readouterr().err
    assert "No samples" in (tmp_path / "out.svg").read_text()


def test_lines_left_out_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes(b"a 1\nwhat\n")
    assert main(["frames", str(tmp_path / "in")]) == 0
    assert "in: 1 line is not a stack and a count and was left out (line 2)." in capsys.readouterr().err
    (tmp_path / "in").write_bytes(b"a 1\nwhat\nelse\n")
    assert main(["frames", str(tmp_path / "in")]) == 0
    assert "2 lines are not a stack and a count and were left out (lines 2, 3)." in capsys.readouterr().err


def test_a_name_that_is_empty_is_told(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", ""]) == 3
    assert "flamegraph: The input's name is empty;" in capsys.readouterr().err
    assert main(["render", str(folded), "-o", ""]) == 4
    assert "flamegraph: The output's name is empty;" in capsys.readouterr().err


@pytest.mark.parametrize("piped", [True, False], ids=["pipe", "file"])
def test_progress_is_told_to_a_terminal_and_taken_back(tmp_path: Path, piped: bool) -> None:
    large = tmp_path / "large.folded"
    large.write_bytes(b"".join(b"main;f%d;g%d 1\n" % (i % 997, i) for i in range(900_000)))
    ours, theirs = pty.openpty()
    source = "-" if piped else str(large)
    command = [sys.executable, "-m", "flamegraph", "top", source, "-n", "1"]
    with large.open("rb") as file:
        feeder = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
    with subprocess.Popen(command, stdin=feeder.stdout, stdout=subprocess.PIPE, stderr=theirs) as child:
        os.close(theirs)
        if feeder.stdout:
            feeder.stdout.close()
        told = b""
        try:
            while piece := os.read(ours, 1 << 16):
                told += piece
        except OSError:
            pass  # the terminal's other side is closed
        assert child.stdout is not None
        assert child.stdout.read().startswith(b"Total: 900,000 samples")
    feeder.wait()
    os.close(ours)
    assert b"\rreading: " in told
    assert (b"%" in told) is not piped
    assert told.endswith(b"\r\x1b[K")


def test_progress_is_not_told_to_a_file(folded: Path) -> None:
    assert run_module("top", str(folded)).stderr == b""
