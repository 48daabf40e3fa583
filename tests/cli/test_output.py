"""The form of what is written, by the name it is written under."""

from pathlib import Path

import click
import pytest

from diag.cli.output import form_for

OF_THREADS = ("text", "json")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("-", "svg"),
        ("picture", "svg"),
        ("a.svg", "svg"),
        ("A.HTML", "html"),
        ("a.b.pb.gz", "pprof"),
        ("a.speedscope.json", "speedscope"),
        ("a.zip", "zip"),
    ],
)
def test_the_ending_says_the_form(name: str, form: str) -> None:
    assert form_for(Path(name), None) == form


def test_text_and_json_where_there_are(tmp_path: Path) -> None:
    assert form_for(Path("-"), None, OF_THREADS) == "text"
    assert form_for(tmp_path / "a.txt", None, OF_THREADS) == "text"
    assert form_for(tmp_path / "a.json", None, OF_THREADS) == "json"


@pytest.mark.parametrize("name", ["a.xyz", "a.svg.gz", "a.json", "a.txt", "node-1.2"])
def test_an_ending_of_something_else_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(click.UsageError, match=r"\.svg, \.html, \.folded, \.pb\.gz") as refusal:
        form_for(Path(name), None)
    assert name in str(refusal.value)
    assert form_for(Path(name), "svg") == "svg"
