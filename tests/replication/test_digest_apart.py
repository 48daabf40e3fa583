"""The same digest, whoever takes it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from diag.errors import StoreError
from diag.kv.digest import digest_of
from diag.kv.directory import FORMAT
from diag.kv.records import Record
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication import digest_apart as module
from diag.replication.digest_apart import digest_apart
from tests.polling import until


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


def test_the_process_gives_way_to_everything_else(copied: Path) -> None:
    with ThreadPoolExecutor(1) as pool, held_back(copied):
        digest = pool.submit(digest_apart, copied, 0)
        until(lambda: digest.done() or children(copied))
        [pid] = children(copied)
        until(lambda: nice(pid) == min(19, os.nice(0) + 10))
        until(lambda: os.getsid(pid) == pid)
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists():  # where the kernel shares by sessions, it is the session that has to be nice
            until(lambda: group.read_text().split()[-1] == "10")
        assert os.sched_getscheduler(pid) == os.SCHED_OTHER, "late, and not never"
    assert digest.result() == digest_of(copied)


@contextmanager
def held_back(path: Path) -> Iterator[None]:
    """Who opens the store in ``path`` waits for its first file until the block ends."""
    file, kept = path / FORMAT, path / "kept"
    file.rename(kept)
    os.mkfifo(file)
    pipe = os.open(file, os.O_RDWR)
    try:
        yield
    finally:
        text = kept.read_bytes()
        kept.replace(file)  # for the second look at it
        os.write(pipe, text)
        os.close(pipe)


def children(path: Path) -> list[int]:
    """The processes of this one that were given ``path``."""
    listed = " ".join(file.read_text() for file in Path("/proc/self/task").glob("*/children"))
    pids = [int(pid) for pid in listed.split()]
    return [pid for pid in pids if str(path).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]


def nice(pid: int) -> int:
    """As the kernel has it."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[16])


def test_nothing_is_read_for_a_node_that_is_gone(copied: Path) -> None:
    command = [sys.executable, "-m", module.__name__, str(os.getpid() + 1), str(copied)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "is gone" in ended.stderr
