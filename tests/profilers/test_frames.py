import sys
from pathlib import Path

from diag.profilers.frames import FrameNames, fold, raw_stack


def test_no_stacks_fold_to_nothing() -> None:
    assert fold({}) == b""
    assert fold({"a": 0, "": 3}) == b""


def test_folded_lines_go_from_heavy_to_light() -> None:
    assert fold({"a;b": 1, "a;c": 5, "a": 1}) == b"a;c 5\na 1\na;b 1\n"


def test_a_file_is_named_from_its_outermost_package_on() -> None:
    names = FrameNames()
    assert names.short(fold.__code__.co_filename) == "diag/profilers/frames.py"
    assert names.short("/nowhere/at/all.py") == "all.py"
    assert names.short("<frozen runpy>") == "<frozen runpy>"
    assert names.short(str(Path("/"))) == "."


def test_a_name_cannot_break_its_line() -> None:
    assert FrameNames().text("f;g\nh", "<string>", 3) == "f:g h (<string>:3)"


def test_a_stack_runs_from_its_root_to_here() -> None:
    stack = FrameNames().stack(raw_stack(sys._getframe()))
    assert stack.split(";")[-1].startswith(
        "test_a_stack_runs_from_its_root_to_here (tests/profilers/test_frames.py:"
    )
    assert stack.split(";")[0].startswith(("<module> (", "_run_module_as_main ("))
    assert raw_stack(None) == ()
