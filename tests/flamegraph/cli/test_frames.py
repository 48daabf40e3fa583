from pathlib import Path

import pytest

from flamegraph.cli import main


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
