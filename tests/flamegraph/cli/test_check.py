import json
from pathlib import Path

import pytest

from flamegraph.cli import main
from tests.flamegraph.pictures import parse


def test_check_ends_with_one_for_a_regression_and_with_nothing_else_but_zero_or_two(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    base, new = pair
    assert main(["check", base, new]) == 1
    assert "write +26.67 points" in capsys.readouterr().out
    assert main(["check", new, new]) == 0
    assert main(["check", base, new, "--max-growth", "30"]) == 0
    assert main(["check", base, new, "--baseline", new, new]) == 0


def test_check_tells_its_verdict_in_three_forms_and_draws(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "diff.svg"
    assert main(["check", *pair, "--json", "--svg", str(drawn)]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["name"] == "write"
    assert parse(drawn.read_text()).tag.endswith("svg")
    assert main(["check", *pair, "--github"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("REGRESSION")
    assert told[-1].startswith("::error title=flamegraph check::write +26.67 points")


def test_check_cannot_judge_when_its_picture_cannot_be_written(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *pair, "--svg", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("REGRESSION")
    assert "Is a directory" in told.err


def test_a_defect_of_check_is_not_taken_for_a_regression(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("flamegraph.cli.check.check", broken)
    assert main(["check", *pair]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err
