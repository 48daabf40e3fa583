"""Putting a store in another's place: killed at each moment, it leaves the old one or the new one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from diag.errors import DirectoryInUse, StoreError
from diag.kv.directory import DATA_DIR, SNAPSHOT_DIR
from diag.kv.importer import import_lines
from diag.kv.records import Record
from diag.kv.replacement import Replacement, recover
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store

HEADER = '["header",{"DataHeader":{"key":"header","value":{"version":"V004"}}}]'

# The import itself, whose n-th rename, or whose clearing away, never comes to pass.
_KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from diag.kv.importer import import_lines
from diag.kv.replacement import recover

what, target, moment = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
rename, seen = Path.replace, 0

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def replace(self, to):
    global seen
    if self.name != "FORMAT.new":
        if seen == moment:
            die()
        seen += 1
    return rename(self, to)

Path.replace = replace
shutil.rmtree = die
import_lines([sys.argv[4]], target, overwrite=True) if what == "import" else recover(target)
"""


def killed(what: str, target: Path, moment: int) -> None:
    command = [sys.executable, "-c", _KILLED, what, str(target), str(moment), HEADER]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A node's store with one key, and a snapshot of it."""
    path = tmp_path / DATA_DIR
    with Store.open(path) as store:
        with store.write() as txn:
            txn.put("old", Record(1, b"v"))
        SnapshotStore(tmp_path / SNAPSHOT_DIR).create(store, 0)
    return path


def keys(target: Path) -> list[str]:
    with Store.open(target) as store, store.read() as txn:
        return [key for key, _ in txn.scan()]


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_nothing_to_recover_makes_nothing(tmp_path: Path) -> None:
    recover(tmp_path / "absent" / DATA_DIR)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_an_import_killed_before_its_end_never_was(target: Path, moment: int) -> None:
    killed("import", target, moment)
    assert any(name.startswith(".importing-") for name in names(target.parent))
    recover(target)
    assert names(target.parent) == {DATA_DIR, SNAPSHOT_DIR}
    assert keys(target) == ["old"]
    latest = SnapshotStore(target.parent / SNAPSHOT_DIR).latest()
    assert latest is not None
    assert latest.key_count == 1


def test_an_import_killed_after_its_end_has_been(target: Path) -> None:
    killed("import", target, 3)
    recover(target)
    assert names(target.parent) == {DATA_DIR}
    assert keys(target) == []


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_a_recovery_that_is_killed_is_recovered_from(target: Path, moment: int) -> None:
    killed("import", target, 2)
    killed("recover", target, moment)
    recover(target)
    assert names(target.parent) == {DATA_DIR, SNAPSHOT_DIR}
    assert keys(target) == ["old"]


def test_the_next_import_begins_with_a_recovery(target: Path) -> None:
    killed("import", target, 2)
    with pytest.raises(StoreError, match="not empty"):
        import_lines([HEADER], target)
    assert keys(target) == ["old"]
    killed("import", target, 2)
    assert import_lines([HEADER], target, overwrite=True).keys == 0
    assert names(target.parent) == {DATA_DIR}


def test_a_store_made_since_is_not_overwritten(target: Path) -> None:
    killed("import", target, 2)
    Store.open(target).close()
    before = names(target.parent)
    with pytest.raises(StoreError, match="made anew since"):
        recover(target)
    assert keys(target) == []
    assert names(target.parent) == before


def test_an_import_that_runs_is_left_alone(target: Path) -> None:
    running = Replacement(target)
    Store.open(running.store).close()
    recover(target)
    assert keys(target) == ["old"]
    target.replace(running.store.parent / "replaced")
    with pytest.raises(DirectoryInUse, match="is being replaced"):
        recover(target)
    running.close()
    assert keys(target) == ["old"]
