"""Snapshots: a compact copy of one state, its hash, and its facts, in a directory of their own.

``<root>/<term>-<node>-<index>/`` holds a store's files and ``snapshot.json``. It is
made under another name and renamed when all of it is durable. Two generations are
kept: where the log is cut at a snapshot, the one before is what is left when it cannot be read.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from diag.errors import Damaged, StoreError
from diag.kv import directory
from diag.kv.digest import Digest, digest_of, hash_file
from diag.kv.reading import Pin
from diag.kv.state import Position
from diag.kv.store import Store

_FACTS = "snapshot.json"
_MAKING = ".making-"
_GENERATIONS = 2


@dataclass(frozen=True)
class SnapshotInfo:
    """A durable snapshot. ``size`` is the data file's bytes; ``seconds`` is what building it took."""

    term: int
    node_id: int
    index: int
    path: Path
    key_count: int
    expire_count: int
    size: int
    content_hash: str
    file_hash: str
    created_ms: int
    seconds: float

    @property
    def position(self) -> Position:
        """The last entry the snapshot holds."""
        return Position(self.term, self.node_id, self.index)


class SnapshotStore:
    """The snapshots of one node. ``create`` is for one thread at a time.

    ``digest`` reads a copy just written; it may do so wherever it disturbs nobody.
    """

    def __init__(self, root: Path, digest: Callable[[Path], Digest] = digest_of) -> None:
        self.root = root
        self._digest = digest

    def all(self) -> list[SnapshotInfo]:
        """Those whose facts can be read, newest first; their data are checked by ``verify``."""
        if not self.root.is_dir():
            return []
        # A hidden one is being made, brought or removed.
        shown = [path for path in self.root.iterdir() if not path.name.startswith(".")]
        found = [info for path in shown if (info := _read_facts(path)) is not None]
        return sorted(found, key=lambda info: info.position, reverse=True)

    def latest(self) -> SnapshotInfo | None:
        """The first of ``all``."""
        return next(iter(self.all()), None)

    def create(self, store: Store, now_ms: int, pin: Pin | None = None) -> SnapshotInfo:
        """Write a snapshot of the store's newest state, or of the pinned one; writers go on meanwhile.

        It and the one before it are kept. Raises ``NoSpace`` and leaves the earlier ones as they were.
        """
        started = time.perf_counter()
        with directory.explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for left in self.root.glob(_MAKING + "*"):
                shutil.rmtree(left)
            making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.root))
            try:
                info = self._make(store, making, now_ms, started, pin)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
            self._remove_others(info)
        return info

    def take_in(self, making: Path, info: SnapshotInfo) -> SnapshotInfo:
        """Make a snapshot of files brought from elsewhere, whole and durable, in a directory below ``root``.

        ``info`` is what they were checked to be; its path is the place they get here.
        """
        placed = replace(info, path=self._place(info.position))
        with directory.explained(self.root):
            self._put_in_place(making, placed)
            self._remove_others(placed)
        return placed

    def verify(self, info: SnapshotInfo) -> None:
        """Raise ``Damaged`` unless the data are, byte for byte, what was written."""
        _verify(info)

    def restore(self, info: SnapshotInfo, target: Path, node_id: int | None = None) -> None:
        """Copy a verified snapshot into ``target``, which must be absent or empty.

        It is for node ``node_id``, by default for the one that the snapshot is of.
        """
        _verify(info)
        if target.exists() and any(target.iterdir()):
            raise StoreError(f"{target} is not empty; restore into a new directory.")
        with directory.explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=target.parent))
            try:
                for name in (directory.DATA, directory.FORMAT):
                    _copy_durably(info.path / name, making / name)
                if node_id is not None:
                    directory.write_format(making, ready=True, node_id=node_id)
                making.chmod(0o755)
                making.replace(target)
                directory.sync_directory(target.parent)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise

    def open(self, info: SnapshotInfo) -> Store:
        """The snapshot as a read-only store; close it."""
        return open_snapshot(info.path)

    def _make(self, store: Store, making: Path, now_ms: int, started: float, pin: Pin | None) -> SnapshotInfo:
        store.copy_to(making, pin)
        data = making / directory.DATA
        sync_file(data)
        digest = self._digest(making)
        info = SnapshotInfo(
            *digest.position,
            path=self._place(digest.position),
            key_count=digest.key_count,
            expire_count=digest.expire_count,
            size=data.stat().st_size,
            content_hash=digest.content_hash,
            file_hash=digest.file_hash,
            created_ms=now_ms,
            seconds=round(time.perf_counter() - started, 6),
        )
        self._put_in_place(making, info)
        return info

    def _place(self, position: Position) -> Path:
        return self.root / "-".join(map(str, position))

    def _put_in_place(self, making: Path, info: SnapshotInfo) -> None:
        facts = {name: value for name, value in asdict(info).items() if name != "path"}
        directory.write_durably(making / _FACTS, json.dumps(facts, indent=1).encode() + b"\n")
        if info.path.exists():
            # The same position: the same content, so the one in place may go first only by a rename.
            replaced = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.root))
            info.path.replace(replaced)
        making.chmod(0o755)
        making.replace(info.path)
        directory.sync_directory(self.root)

    def _remove_others(self, newest: SnapshotInfo) -> None:
        """Keep ``newest`` and what came before it; of a later position is another history's."""
        before = [info.path for info in self.all() if info.position <= newest.position]
        kept = before[:_GENERATIONS]
        for path in self.root.iterdir():
            if path not in kept and (path.name.startswith(_MAKING) or (path / _FACTS).exists()):
                shutil.rmtree(path)


def open_snapshot(path: Path) -> Store:
    """A snapshot directory as a read-only store, verified first; close it. Raises ``Damaged``."""
    _require_whole(path)
    # The engine maps a file once a process, so every opening gets its own copy, which
    # vanishes with it. Where the file system can share blocks the copy is free.
    with directory.explained(path), tempfile.TemporaryDirectory(prefix=_MAKING, dir=path.parent) as private:
        for name in (directory.DATA, directory.FORMAT):
            shutil.copyfile(path / name, Path(private) / name)
        return Store.open(Path(private), readonly=True)


def open_in_place(path: Path) -> Store:
    """The same where nothing may be written, for a process that opens it no second time meanwhile."""
    _require_whole(path)
    return Store.open(path, readonly=True)


def _require_whole(path: Path) -> None:
    info = _read_facts(path)
    if info is None:
        raise Damaged(f"{path} holds no readable {_FACTS}; it is not a whole snapshot. Use another one.")
    _verify(info)


def _read_facts(path: Path) -> SnapshotInfo | None:
    try:
        return SnapshotInfo(path=path, **json.loads((path / _FACTS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _verify(info: SnapshotInfo) -> None:
    data = info.path / directory.DATA
    try:
        found = hash_file(data)
    except OSError as failure:
        raise Damaged(f"{data} cannot be read ({failure}); use another snapshot.") from failure
    if found != info.file_hash:
        raise Damaged(f"{data} is not what was written: its hash differs; use another snapshot.")


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_durably(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    sync_file(target)
