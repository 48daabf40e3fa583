"""A data directory: who holds it, which format it has, and whether its files can be trusted.

Nothing here writes into a directory that belongs to someone else, is newer, or is damaged.
"""

import errno
import fcntl
import json
import os
from pathlib import Path

import lmdb
from lmdb.verify import VerifyError, verify

from diag.errors import Damaged, DirectoryInUse, NewerFormat, NoSpace, OtherNode, StoreError

#: Where a node keeps its store, its snapshots and its cluster's log, below its raft directory.
DATA_DIR = "store"
SNAPSHOT_DIR = "snapshots"
ETCD_DIR = "etcd"

FORMAT_VERSION = 1
DATA = "data.mdb"
FORMAT = "FORMAT"
_LOCK = "LOCK"
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG))

_WALKED = 48 << 20
_LITTLE = 1 << 20


class explained:  # noqa: N801 - used as a statement, like contextlib's own
    """Turn the engine's and the system's errors into sentences of our tree.

    A class, not a generator: it is around every read.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, failure: BaseException | None, _traceback: object) -> None:
        if isinstance(failure, (lmdb.Error, OSError)):
            raise _explained(self._path, failure) from failure


def _explained(path: Path, failure: lmdb.Error | OSError) -> StoreError:
    if isinstance(failure, OSError):
        return _of_code(path, failure.errno or 0, failure)
    if isinstance(failure, lmdb.MapFullError):
        return NoSpace(f"The store in {path} has reached its map size; raise it or delete keys.")
    if isinstance(failure, (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError)):
        return Damaged(f"{path / DATA} is damaged ({failure}); restore a snapshot or a backup.")
    if isinstance(failure, lmdb.VersionMismatchError):
        return NewerFormat(f"{path / DATA} is of another engine version ({failure}).")
    return _of_code(path, failure.code or 0, failure)


def _of_code(path: Path, code: int, failure: Exception) -> StoreError:
    # The engine calls a write that the system cut short for want of space an input/output error.
    if code in _FULL or (code == errno.EIO and _free_bytes(path) < _LITTLE):
        return NoSpace(f"{path} cannot be written ({failure}); free space or make it writable.")
    return StoreError(f"The store in {path} failed: {failure}.")


def _free_bytes(path: Path) -> int:
    try:
        system = os.statvfs(path)
    except OSError:
        return _LITTLE
    return system.f_bavail * system.f_frsize


class DirectoryLock:
    """An advisory lock on ``LOCK``, held until closed or until the process dies by any means."""

    def __init__(self, path: Path, *, shared: bool) -> None:
        self._descriptor: int | None = None
        name = path / _LOCK
        if shared and not name.exists():
            return
        flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
        descriptor = os.open(name, flags, 0o644)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as failure:
            os.close(descriptor)
            if failure.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise DirectoryInUse(
                f"{path} is in use by another process; stop that one, or give this one its own directory."
            ) from failure
        self._descriptor = descriptor

    def close(self) -> None:
        """Let the directory go; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_new(path: Path) -> bool:
    """Whether a store may be made here: nothing of one is there, or making one was cut short."""
    if not (path / FORMAT).exists():
        return not (path / DATA).exists()
    return not _read_format(path).get("ready", False)


def check(path: Path) -> None:
    """Refuse a directory that is not ours, newer, or damaged, before the engine maps what may crash it.

    The page structure of a store up to 48 MiB is walked in full (about 0.2 s for 100,000 keys);
    of a larger one only what ``check_length`` sees.
    """
    if not (path / FORMAT).exists() and (path / DATA).exists():
        raise Damaged(f"{path} holds {DATA} but no {FORMAT} file; it is not a store of ours.")
    _read_format(path)
    data = path / DATA
    if not data.exists() or data.stat().st_size == 0:
        raise Damaged(f"{data} is missing or empty; restore a snapshot or a backup.")
    if data.stat().st_size <= _WALKED:
        _walk_pages(data)


def check_length(path: Path, pages: int, page_size: int) -> None:
    """Refuse a data file shorter than its header says; free pages at its end may rightly be missing."""
    data = path / DATA
    if _WALKED < data.stat().st_size < pages * page_size:
        _walk_pages(data)


def owner(path: Path) -> int | None:
    """The id of the node whose directory this is; None in one that no node has opened yet."""
    node_id = _read_format(path).get("node_id")
    return node_id if isinstance(node_id, int) else None


def check_owner(path: Path, node_id: int) -> None:
    """Refuse another node's directory: its history would go on under two ids."""
    owned_by = owner(path)
    if owned_by not in (None, node_id):
        raise OtherNode(
            f"{path} belongs to node {owned_by}, and this is node {node_id}; start it with --id {owned_by}, "
            f"or give node {node_id} a directory of its own with --raft-dir."
        )


def write_format(path: Path, *, ready: bool, node_id: int | None = None) -> None:
    """Mark a directory as ours, durably; not ``ready`` while the data file is being made."""
    fields: dict[str, object] = {"version": FORMAT_VERSION, "ready": ready}
    if node_id is not None:
        fields["node_id"] = node_id
    write_durably(path / FORMAT, json.dumps(fields).encode() + b"\n")


def _read_format(path: Path) -> dict[str, object]:
    try:
        fields = json.loads((path / FORMAT).read_bytes())
        version = fields["version"]
    except FileNotFoundError:
        raise Damaged(f"{path} holds no store; name the directory of one, or restore a snapshot.") from None
    except (ValueError, KeyError, TypeError) as failure:
        raise Damaged(f"{path / FORMAT} is unreadable ({failure}); restore a snapshot or a backup.") from None
    if not isinstance(version, int) or version < 1:
        raise Damaged(f"{path / FORMAT} names version {version!r}; a positive number was expected.")
    if version > FORMAT_VERSION:
        raise NewerFormat(
            f"{path} has format {version}, this program reads up to {FORMAT_VERSION}; use a newer program."
        )
    node_id = fields.get("node_id")
    if node_id is not None and (type(node_id) is not int or node_id < 0):
        raise Damaged(f"{path / FORMAT} names node_id {node_id!r}; a number from 0 was expected.")
    return dict(fields)


def _walk_pages(data: Path) -> None:
    try:
        problems = verify(data)
    except VerifyError as failure:
        problems = [str(failure)]
    if problems:
        raise Damaged(f"{data} is damaged ({problems[0]}); restore a snapshot or a backup.")


def write_durably(path: Path, content: bytes) -> None:
    """Write a file through a temporary name, so that it is whole or absent after a crash."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
