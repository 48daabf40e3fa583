import io
import subprocess
import sys
from pathlib import Path

import pytest

from flamegraph.cli import COMMANDS, Command, main
from tests.flamegraph.pictures import parse, texts


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    path = tmp_path / "in.folded"
    path.write_bytes(b"main;work 3\nmain 1\n")
    return path


def test_render_writes_a_picture(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    options = [
        "--title",
        "T",
        "--subtitle",
        "S",
        "--note",
        "N",
        "--width",
        "800",
        "--min-width",
        "1",
        "--unit",
        "bytes",
    ]
    assert main(["render", str(folded), "-o", str(out), *options]) == 0
    root = parse(out.read_text(encoding="utf-8"))
    assert (root.attrib["width"], texts(root, "title"), texts(root, "note")) == ("800", ["T"], ["N"])
    assert "4 bytes" in texts(root, "status")[0]


def test_an_empty_input_is_a_picture_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["render", "-"]) == 0
    assert b"No samples" in capsysbinary.readouterr().out


def test_frames_prints_one_line_a_frame(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frames", str(folded)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0\t0.0000\t1180.0000\t4\tall",
        "1\t0.0000\t1180.0000\t4\tmain",
        "2\t295.0000\t885.0000\t3\twork",
    ]


def test_frames_takes_a_width_and_a_least_width(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frames", str(folded), "--width", "100", "--min-width", "80"]) == 0
    assert [line.split("\t")[4] for line in capsys.readouterr().out.splitlines()] == ["all", "main"]


def test_a_tab_in_a_name_does_not_make_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes(b"a\tb\rc 1\n")
    assert main(["frames", str(tmp_path / "in")]) == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t")[4] == "a b c"


def test_lines_left_out_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes(b"a 1\nwhat\n")
    assert main(["frames", str(tmp_path / "in")]) == 0
    assert "1 lines are not a stack and a count and were left out (lines 2)." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["render", "{dir}/none"], 3, "cannot be read: No such file or directory."),
        (["render", "{dir}"], 3, "cannot be read: Is a directory."),
        (["render", "{dir}/bad"], 3, "no folded stack"),
        (["render", "{dir}/in.folded", "-o", "{dir}/none/out.svg"], 4, "cannot be written: No such file"),
        (["render", "{dir}/in.folded", "--width", "5"], 2, "200 or more"),
        (["frames", "{dir}/in.folded", "--width", "nan"], 2, "must be more than 0"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_a_code(
    folded: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    (folded.parent / "bad").write_bytes(b"nothing\n")
    assert main([argument.replace("{dir}", str(folded.parent)) for argument in arguments]) == code
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["melt"], ["frames"], ["render", "x", "--width", "wide"]])
def test_wrong_usage_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: flamegraph" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command.name, "--help"])
    assert stopped.value.code == 0
    assert "input" in capsys.readouterr().out


def test_it_runs_as_a_module_in_a_pipe_that_closes_early(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"".join(b"f%d;g 1\n" % i for i in range(20_000)))
    command = [sys.executable, "-m", "flamegraph", "frames", str(tmp_path / "in"), "--min-width", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.read(5) == b"0\t0.0"
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0
