"""The same digest, whoever takes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from diag.errors import StoreError
from diag.kv.digest import digest_of
from diag.kv.records import Record
from diag.kv.store import Position, Store
from diag.replication import digest_apart as module
from diag.replication.digest_apart import digest_apart


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy as a snapshot has it, of two keys, one with an expiry."""
    target = tmp_path / "copy"
    target.mkdir()
    with Store.open(tmp_path / "store", node_id=7) as store:
        with store.write() as txn:
            txn.put("a", Record(1, b"v"))
            txn.put("b", Record(2, b"w", 5000))
            txn.index_expiry(5000, 2, "b")
            txn.set_applied(Position(2, 7, 9))
        store.copy_to(target)
    return target


def test_an_empty_state(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s"):
        pass
    digest = digest_apart(tmp_path / "s", large=0)
    assert (digest.position, digest.key_count, digest.expire_count) == (Position(), 0, 0)


@pytest.mark.parametrize("large", [0, 1 << 40])
def test_in_a_process_and_here_it_is_the_same(copied: Path, large: int) -> None:
    digest = digest_apart(copied, large)
    assert digest == digest_of(copied)
    assert (digest.position, digest.key_count, digest.expire_count) == (Position(2, 7, 9), 2, 1)


def test_what_cannot_be_read_is_said(copied: Path) -> None:
    (copied / "FORMAT").write_text("{}")
    with pytest.raises(StoreError, match=r"could not be read again: .*FORMAT"):
        digest_apart(copied, large=0)


def test_nothing_is_read_for_a_node_that_is_gone(copied: Path) -> None:
    command = [sys.executable, "-m", module.__name__, str(os.getpid() + 1), str(copied)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "the node ended" in ended.stderr
