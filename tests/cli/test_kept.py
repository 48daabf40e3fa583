"""``diag profile list | get | diff | ...`` against a real node."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from diag.cli import main
from diag.perf.node_process import NodeProcess

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(node: NodeProcess, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs ``diag profile`` against the node: exit code and standard output."""

    def go(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["profile", words[0], "--endpoint", node.admin, *words[1:]])
        return code, capsys.readouterr().out

    def forget() -> None:
        for one in json.loads(go("list", "--json")[1]):
            go("delete", one["id"])

    forget()  # other tests take profiles of this node too
    yield go
    forget()


def folded(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.folded"
    path.write_text(text)
    return str(path)


def test_none_kept_is_a_heading_alone(run: Run) -> None:
    code, printed = run("list")
    assert code == 0
    assert printed.split() == [
        "ID",
        "NAME",
        "KIND",
        "MODE",
        "WHEN",
        "SECONDS",
        "RATE",
        "SAMPLES",
        "ENGINE",
        "REQUESTS",
        "STATE",
    ]
    assert json.loads(run("list", "--json")[1]) == []
    assert run("list", "--kind", "heap")[0] == 0


def test_a_profile_taken_under_a_name_is_listed_and_fetched(run: Run, tmp_path: Path) -> None:
    taken, again = tmp_path / "taken.svg", tmp_path / "again.svg"
    assert run("cpu", "--seconds", "0.3", "--name", "before-upgrade", "-o", str(taken))[0] == 0
    lines = run("list")[1].splitlines()
    assert len(lines) == 2
    assert "before-upgrade" in lines[1]
    assert run("get", "before-upgrade", "-o", str(again))[0] == 0
    assert ET.parse(again).getroot().tag.endswith("svg")


def test_one_is_started_waited_for_compared_renamed_and_forgotten(run: Run, tmp_path: Path) -> None:
    code, id_ = run("start", "cpu", "--seconds", "0.5", "--mode", "wall", "--name", "late")
    assert code == 0
    assert json.loads(run("get", id_.strip(), "--format", "json")[1])["state"] == "kept"
    code, uploaded = run("upload", "--name", "mine", folded(tmp_path, "main;work 3\n"))
    assert code == 0
    code, text = run("diff", "late", "mine")
    assert code == 0
    assert "work" in text
    picture = tmp_path / "diff.svg"
    assert run("diff", "late", "mine", "-o", str(picture))[0] == 0
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert run("name", uploaded.strip(), "theirs")[0] == 0
    assert run("get", "theirs", "--format", "folded")[1] == "main;work 3\n"
    assert run("delete", "theirs", "late")[0] == 0
    assert json.loads(run("list", "--json")[1]) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("get", "nothing"), 1),
        (("get", "../etc"), 1),
        (("diff", "nothing", "other"), 1),
        (("start", "gpu"), 2),
        (("start", "cpu", "--seconds", "0"), 2),
        (("delete",), 2),
        (("name", "only-one"), 2),
        (("upload", "/nonexistent"), 2),
    ],
)
def test_a_wrong_call_has_an_exit_code(run: Run, words: tuple[str, ...], code: int) -> None:
    assert run(*words)[0] == code


def test_the_list_of_all_nodes(run: Run, tmp_path: Path) -> None:
    run("upload", "--name", "mine", folded(tmp_path, "main 1\n"))
    code, printed = run("list", "--node", "all")
    assert code == 0
    assert printed.startswith("node ")
    assert "mine" in printed
