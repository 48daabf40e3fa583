from pathlib import Path

import pytest

from flamegraph import read
from flamegraph.cli import main
from flamegraph.formats import WRITTEN
from flamegraph.units import UNITS


def test_convert_goes_by_the_ending_or_by_name(folded: Path, tmp_path: Path) -> None:
    pprof, named = tmp_path / "out.pb.gz", tmp_path / "named"
    assert main(["convert", str(folded), "-o", str(pprof)]) == 0
    assert main(["convert", str(folded), "-o", str(named), "--to", "pprof"]) == 0
    assert pprof.read_bytes()[:2] == b"\x1f\x8b"
    back = tmp_path / "back.folded"
    for path in (pprof, named):
        assert main(["convert", str(path), "-o", str(back)]) == 0
        assert back.read_bytes() == b"main 1\nmain;work 3\n"


@pytest.mark.parametrize("name", ["out.svg", "out.html"])
def test_convert_writes_no_stacks_under_the_name_of_a_picture(
    folded: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    assert main(["convert", str(folded), "-o", str(out)]) == 2
    assert "`flamegraph render`" in capsys.readouterr().err
    assert not out.exists()
    assert main(["convert", str(folded), "-o", str(out), "--to", "folded"]) == 0


@pytest.mark.parametrize("name", ["a.xyz", "a.xyz.gz", "a.gz"])
def test_convert_refuses_an_ending_that_is_of_no_format(
    folded: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    assert main(["convert", str(folded), "-o", str(out)]) == 2
    told = capsys.readouterr().err
    assert name in told
    assert ".folded, .collapsed, .pb, .pprof, .json, .txt" in told
    assert not out.exists()
    assert main(["convert", str(folded), "-o", str(out), "--to", "folded"]) == 0


@pytest.mark.parametrize("name", ["a", "a.txt", "a.COLLAPSED"])
def test_convert_writes_folded_stacks_under_names_of_text(folded: Path, tmp_path: Path, name: str) -> None:
    assert main(["convert", str(folded), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes() == b"main 1\nmain;work 3\n"


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", WRITTEN)
def test_every_unit_can_be_written_in_every_format(
    folded: Path, tmp_path: Path, unit: str, form: str
) -> None:
    there, back = tmp_path / "there", tmp_path / "back.pb.gz"
    assert main(["convert", str(folded), "--unit", unit, "--to", form, "-o", str(there)]) == 0
    assert main(["convert", str(there), "-o", str(back)]) == 0
    # Every time is read as microseconds.
    factor = {"nanoseconds": 0.001, "milliseconds": 1_000, "seconds": 1_000_000}.get(unit, 1)
    assert read(str(back)).total == 4 * (1 if form == "folded" else factor)


def test_a_unit_that_folded_stacks_cannot_hold_is_told(
    folded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(folded)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["convert", str(folded), "--unit", "bytes"]) == 0
    told = "flamegraph: Folded stacks do not hold their unit; read them with --unit bytes.\n"
    assert capsys.readouterr().err == told
    assert main(["convert", str(folded), "--unit", "bytes", "--to", "speedscope"]) == 0
    assert capsys.readouterr().err == ""
