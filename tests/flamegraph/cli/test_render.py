from pathlib import Path

import pytest

from flamegraph.cli import main
from tests.flamegraph.pictures import parse


def test_render_writes_a_picture(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    words = "--title T --subtitle S --note N --width 800 --min-width 1 --unit bytes --si --palette memory"
    options = f"{words} --direction icicle --script none".split()
    assert main(["render", str(folded), "-o", str(out), *options]) == 0
    text = out.read_text(encoding="utf-8")
    root = parse(text)
    assert (root.attrib["width"], "4 bytes" in text, "<script>" in text) == ("800", True, False)
    for word in "TSN":
        assert f">{word}</text>" in text


def test_render_writes_a_page_when_told_so_by_option_or_ending(folded: Path, tmp_path: Path) -> None:
    for name, options in (("out.html", []), ("OUT.HTM", []), ("page", ["--html"]), ("page.xyz", ["--html"])):
        assert main(["render", str(folded), "-o", str(tmp_path / name), *options]) == 0
        text = (tmp_path / name).read_text()
        assert text.lower().startswith("<!doctype html>")
        assert "<table" in text


@pytest.mark.parametrize("name", ["dd.xyz", "dd.svg.gz"])
def test_an_ending_that_is_of_no_picture_is_refused_before_anything_is_read(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    none = str(tmp_path / "none.folded")
    for words in (["render", none], ["diff", none, none]):
        assert main([*words, "-o", str(tmp_path / name)]) == 2
        told = capsys.readouterr().err
        assert name in told
        assert ".svg, .html, .htm" in told


def test_a_name_without_an_ending_is_of_an_svg(folded: Path, tmp_path: Path) -> None:
    assert main(["render", str(folded), "-o", str(tmp_path / "picture")]) == 0
    parse((tmp_path / "picture").read_text())


def test_the_length_of_a_table_is_refused_without_a_page(
    folded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", str(folded), "--rows", "3"]) == 2
    assert "--rows is for the table of a page" in capsys.readouterr().err
    assert main(["render", str(folded), "--rows", "3", "-o", str(tmp_path / "out.html")]) == 0
