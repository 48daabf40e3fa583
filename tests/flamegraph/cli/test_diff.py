from pathlib import Path

import pytest

from flamegraph import Profile
from flamegraph.cli import main
from flamegraph.formats import write
from tests.flamegraph.pictures import parse, texts


def test_diff_prints_the_text_and_draws(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "diff.svg"
    assert main(["diff", *pair, "-o", str(out), "--widths", "max", "-n", "1"]) == 0
    told = capsys.readouterr().out
    assert "Base 1,000 samples, new 1,800 samples" in told
    assert "+26.67" in told
    assert "Differential flame graph" in texts(parse(out.read_text()), "title")


def test_diff_leaves_standard_output_to_a_picture_that_goes_there(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *pair, "-o", "-"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("<svg")
    assert told.err.startswith("Base 1,000 samples")


def test_diff_takes_two_columns_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "both"
    path.write_bytes(b"main;read 600 600\nmain;write 400 1200\n")
    assert main(["diff", "--two-column", str(path)]) == 0
    assert "Base 1,000 samples, new 1,800 samples" in capsys.readouterr().out


def test_pprof_of_samples_is_compared_with_folded_stacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folded, packed = tmp_path / "calm.folded", tmp_path / "calm.pb.gz"
    folded.write_bytes(b"main;read 600\nmain;write 400\n")
    with packed.open("wb") as file:
        write(Profile.from_stacks([(("main", "read"), 5)], metadata={"period_ns": "10101010"}), file, "pprof")
    assert main(["diff", str(packed), str(folded)]) == 0
    assert "Base 5 samples, new 1,000 samples" in capsys.readouterr().out
    assert main(["diff", str(folded), str(packed)]) == 0
    assert "Base 1,000 samples, new 5 samples" in capsys.readouterr().out
    assert main(["diff", str(packed), str(folded), "--sample-type", "samples"]) == 2
    assert main(["diff", str(packed), str(packed)]) == 0
    assert "Base 50.5 ms, new 50.5 ms" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--rows", "7"], "--rows"),
        (["--widths", "max", "--note", "N", "--title", "T"], "--title, --note, --widths"),
        (["--html", "--min-width", "2"], "--min-width, --html"),
    ],
)
def test_looks_without_a_picture_are_refused(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str], options: list[str], named: str
) -> None:
    assert main(["diff", *pair, *options]) == 2
    assert f"flamegraph: {named} would change a picture, and none is drawn" in capsys.readouterr().err
