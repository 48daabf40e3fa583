"""Trees of processes, killed, frozen and thawed."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from diag.faults.processes import (
    freeze,
    is_frozen,
    is_running,
    kill,
    kill_all,
    kill_one,
    thaw,
    tree,
)
from tests.polling import until

_PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True); child.wait(); import time; time.sleep(600)"
)


class Family:
    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.parent, self.child = self.process.pid, int(self.process.stdout.readline())

    def end(self) -> None:
        kill_all([self.parent, self.child])
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def family() -> Iterator[Family]:
    family = Family()
    yield family
    family.end()


def test_a_process_that_has_ended(family: Family) -> None:
    kill(family.parent)
    family.process.wait()
    assert tree(family.parent) == []
    assert not is_running(family.parent)
    kill(family.parent)
    thaw(family.parent)


def test_kill_takes_the_whole_tree(family: Family) -> None:
    assert tree(family.parent) == [family.parent, family.child]
    kill(family.parent)
    assert not is_running(family.parent)
    assert not is_running(family.child)


def test_kill_one_leaves_the_rest(family: Family) -> None:
    kill_one(family.child)
    assert tree(family.parent) == [family.parent]


def test_freeze_and_thaw(family: Family) -> None:
    freeze(family.parent)
    until(lambda: is_frozen(family.parent))
    assert not is_frozen(family.child)
    freeze(family.child)
    until(lambda: is_frozen(family.child))
    assert is_running(family.child)
    thaw(family.parent)
    until(lambda: not is_frozen(family.parent) and not is_frozen(family.child))
