"""The history: entries of reports, a file or a branch that holds them, steps, and the picture."""

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from diag.errors import ConfigError
from diag.perf.gate.history import Entry, entry_of, lines_of, main, read, told
from diag.perf.gate.history_picture import picture
from diag.perf.gate.history_store import OnBranch, OnFile
from tests.perf.gate.repositories import git, repository

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def report(cost: float = 1.0, subject: str = "a change") -> dict[str, Any]:
    pairs = {"base": [9.0, 9.0, 9.0], "head": [cost, cost * 1.1, cost * 0.9]}
    return {
        "head": {"commit": "a" * 40, "subject": subject, "changed": 0},
        "machine": {"processor": "P", "cores": "2"},
        "results": [
            {"name": "put", "unit": "request", "pairs": pairs},
            {"name": "sql", "unit": "statement", "pairs": None},
        ],
    }


def entries(*costs: float, machine: str = "m") -> list[Entry]:
    return [
        Entry(f"{at:040}", f"change {at}", "", machine, {"put": (cost, "request")})
        for at, cost in enumerate(costs)
    ]


def test_no_history() -> None:
    assert read("") == []
    assert lines_of([]) == []
    assert "Nothing was measured yet." in picture([])


def test_an_entry_is_heads_medians() -> None:
    entry = entry_of(report(), AT)
    assert entry.medians == {"put": (1.0, "request")}
    assert (entry.commit, entry.at) == ("a" * 40, "2026-01-02T03:04:05+00:00")
    assert entry.machine == "cores 2, processor P"
    assert read(entry.line()) == [entry]


def test_uncommitted_changes_are_marked() -> None:
    changed = report()
    changed["head"]["changed"] = 2
    assert entry_of(changed, AT).commit.endswith("a+")


def test_a_report_without_measurements() -> None:
    with pytest.raises(ConfigError, match="no measurements"):
        entry_of(report() | {"results": []}, AT)


@pytest.mark.parametrize("line", ["", "{}", "[]", "nonsense", '{"medians": {"put": 1}}'])
def test_a_bad_line_is_named(line: str) -> None:
    good = entry_of(report(), AT).line()
    with pytest.raises(ConfigError, match="Line 2 of the history"):
        read(f"{good}{line}\n{good}")


def test_a_step_is_told_with_its_commit() -> None:
    (line,) = lines_of(entries(*[1.0, 1.01, 0.99] * 4, *[1.2, 1.21, 1.19] * 4))
    (step,) = line.steps
    assert told(line, step).startswith("put: +20.0 % since 0000000000 change 12")


def test_another_machine_is_another_history() -> None:
    (line,) = lines_of(entries(*[5.0] * 9, machine="old") + entries(*[1.0] * 3))
    assert list(line.values) == [1.0] * 3


def test_the_picture_is_valid_for_any_subject_and_tells_its_steps() -> None:
    made = [entry._replace(subject='</svg><script>"&\x00') for entry in entries(*[1e-4] * 6, *[1.5e-4] * 6)]
    root = ET.fromstring(picture(lines_of(made)))
    assert root.attrib["role"] == "img"
    texts = [element.text or "" for element in root.iter()]
    assert any("put +50.0 % at" in text for text in texts)
    assert any(text == "+50.0 %" for text in texts)
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))


def test_one_point_and_equal_points_are_drawn() -> None:
    for costs in ([1.0], [1.0] * 3):
        ET.fromstring(picture(lines_of(entries(*costs))))


def test_a_file_grows_by_lines(tmp_path: Path) -> None:
    store = OnFile(tmp_path / "deep/history.jsonl")
    assert store.text() == ""
    store.write("one\n")
    store.write(store.text() + "two\n")
    assert (tmp_path / "deep/history.jsonl").read_text() == "one\ntwo\n"


def test_a_branch_grows_by_commits_and_the_working_tree_sees_nothing(tmp_path: Path) -> None:
    repository(tmp_path, {"a": "1"})
    store = OnBranch(tmp_path, "measurements")
    assert store.text() == ""
    store.write("one\n")
    store.write(store.text() + "two\n")
    assert store.text() == "one\ntwo\n"
    assert git(tmp_path, "rev-list", "--count", "measurements") == "2"
    assert git(tmp_path, "status", "--porcelain") == ""
    assert git(tmp_path, "rev-list", "--count", "main") == "1"


def test_a_bad_name_of_a_branch_is_a_sentence(tmp_path: Path) -> None:
    repository(tmp_path, {"a": "1"})
    with pytest.raises(ConfigError, match="check-ref-format"):
        OnBranch(tmp_path, "a..b")


def test_the_command_appends_and_draws(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report()))
    names = {"--report": "report.json", "--file": "history.jsonl", "--out": "history.svg"}
    options = [word for option, name in names.items() for word in (option, str(tmp_path / name))]
    for count in (1, 2):
        done = CliRunner().invoke(main, options)
        assert done.exit_code == 0, done.output
        assert f"{count} entries" in done.output
    assert len(read((tmp_path / "history.jsonl").read_text())) == 2
    ET.parse(tmp_path / "history.svg")


@pytest.mark.parametrize(("text", "words"), [(None, "run make perf-check first"), ("{", "is no report")])
def test_no_report_is_a_sentence(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    done = CliRunner().invoke(
        main, ["--report", str(tmp_path / "report.json"), "--file", str(tmp_path / "h")]
    )
    assert done.exit_code == 2
    assert words in done.output
