import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from diag.errors import NoSpace, ProfilerError
from diag.profilers.child import content, end, run_module, started
from diag.profilers.work import Abandoned

Module = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Makes a module of a program; its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(program: str) -> str:
        (tmp_path / "program_of_a_test.py").write_text(program)
        return "program_of_a_test"

    return make


@contextmanager
def file_with(data: bytes) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file


@contextmanager
def held_open() -> Iterator[tuple[int, Callable[[], None]]]:
    """A descriptor for a child, and what returns once no process but this one has it."""
    ours, theirs = os.pipe()

    def wait() -> None:
        os.close(theirs)
        assert os.read(ours, 1) == b""

    try:
        yield theirs, wait
    finally:
        os.close(ours)


def test_a_module_that_says_nothing_gives_nothing(module: Module) -> None:
    with file_with(b"") as source:
        assert run_module(module(""), [], threading.Event(), source=source) == b""


def test_it_gets_arguments_and_input_and_gives_its_output(module: Module) -> None:
    name = module("import sys\nprint(sys.argv[1:], sys.stdin.read())")
    with file_with(b"stacks") as source:
        assert run_module(name, ["a", "b c"], threading.Event(), source=source) == b"['a', 'b c'] stacks\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise ValueError('no header')", "ValueError: no header"),
        ("raise SystemExit(1)", "nothing"),
        ("import os; os.kill(os.getpid(), 9)", "nothing"),
    ],
)
def test_one_that_fails_is_told_by_its_last_words(module: Module, program: str, said: str) -> None:
    with file_with(b"") as source, pytest.raises(ProfilerError) as told:
        run_module(module(program), [], threading.Event(), source=source, work="drawn")
    assert str(told.value) == f"The profile could not be drawn; the process for that said: {said}"


def test_nobody_waits_for_one_that_is_abandoned_and_it_is_gone(module: Module) -> None:
    stop = threading.Event()
    stop.set()
    with held_open() as (descriptor, wait_until_gone):
        with (
            pytest.raises(Abandoned),
            started(module("import signal; signal.pause()"), [], inherit=[descriptor]) as output,
        ):
            output(stop)
        wait_until_gone()


def test_one_whose_output_nobody_asked_for_is_gone(module: Module) -> None:
    with held_open() as (descriptor, wait_until_gone):
        with started(module("import signal; signal.pause()"), [], inherit=[descriptor]):
            pass
        wait_until_gone()


def test_it_may_begin_before_there_is_anything_to_read(module: Module) -> None:
    name = module("import sys\nsys.stdin.read()\nprint(open(int(sys.argv[1])).read())")
    with file_with(b"") as late:
        inherited = late.fileno()
        with started(name, [str(inherited)], inherit=[inherited]) as output:
            late.write(b"a capture")
            late.seek(0)
            assert output(threading.Event()) == b"a capture\n"


def test_without_a_place_for_files_nothing_is_started(tmp_path: Path) -> None:
    with (
        pytest.raises(NoSpace),
        started("never_looked_for", [], temp_dir=tmp_path / "missing"),
    ):
        pass


def test_the_end_is_the_same_however_often() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    end(child)
    end(child)
    assert child.returncode == -9


def test_the_content_of_a_file_is_all_of_it_wherever_it_is_read() -> None:
    with file_with(b"") as empty, file_with(b"whole") as file:
        file.read(3)
        assert (content(empty), content(file)) == (b"", b"whole")
        assert file.tell() == 3
