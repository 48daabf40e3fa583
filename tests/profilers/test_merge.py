"""Windows merged in a process of their own."""

import threading
from pathlib import Path

import pytest

from diag.errors import Damaged
from diag.profilers.merge import Job, Merging, merge_files, read_window
from diag.profilers.windows import Windows
from tests.profilers.profiles import about

ONE = b"request: GET /x;main (a.py:1);work (a.py:2) 3\nmain (a.py:1) 1\n"
TWO = b"request: GET /x;main (a.py:1);work (a.py:2) 2\nrequest: PUT /y;main (a.py:1) 4\n"


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    windows, found = Windows(tmp_path, 1, 1 << 20), []
    for folded in (ONE, TWO):
        account = about()
        windows.add(account, folded)
        found.append(str(windows.path(account.id)))
    return found


def test_nothing() -> None:
    merged = merge_files(Job({}), threading.Event())
    assert merged == (b"", 0, ())


@pytest.mark.parametrize(
    ("by", "folded"),
    [
        ("stack", b"main (a.py:1) 5\nmain (a.py:1);work (a.py:2) 5\n"),
        (
            "label",
            b"request: GET /x;main (a.py:1);work (a.py:2) 5\nrequest: PUT /y;main (a.py:1) 4\n"
            b"main (a.py:1) 1\n",
        ),
        (
            "request",
            b"request: GET /x;main (a.py:1);work (a.py:2) 5\nrequest: PUT /y;main (a.py:1) 4\n"
            b"[no request];main (a.py:1) 1\n",
        ),
    ],
)
def test_weights_add_up(paths: list[str], by: str, folded: bytes) -> None:
    merged = merge_files(Job(dict.fromkeys(paths, 1.0), by), threading.Event())
    assert merged.folded == folded
    assert merged.samples == 10


def test_windows_weigh_as_they_are_told_to(paths: list[str]) -> None:
    merged = merge_files(Job({paths[0]: 10.0, paths[1]: 1.5}), threading.Event())
    assert merged.folded == b"main (a.py:1);work (a.py:2) 33\nmain (a.py:1) 16\n"
    assert 5 < merged.samples < 10


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_window_is_left_out_and_told(paths: list[str], damage: bytes | None) -> None:
    path = Path(paths[0])
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    with pytest.raises(Damaged):
        read_window(path)
    merged = merge_files(Job(dict.fromkeys(paths, 1.0)), threading.Event())
    assert merged.damaged == (path.name.partition(".")[0],)
    assert merged.samples == 6


def test_a_window_that_is_gone_is_left_out_and_told(paths: list[str]) -> None:
    Path(paths[1]).unlink()
    merged = merge_files(Job(dict.fromkeys(paths, 1.0)), threading.Event())
    assert len(merged.damaged) == 1
    assert merged.samples == 4


def test_a_part_that_is_no_stacks_is_taken_not_even_by_half() -> None:
    merging = Merging("stack")
    with pytest.raises(ValueError, match="invalid literal"):
        merging.add(b"main 1\nnonsense\n", 1.0)
    assert (merging.folded(), merging.samples) == (b"", 0)
