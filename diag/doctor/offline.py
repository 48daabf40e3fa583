"""What a stopped node's directory holds, looked at without changing anything in it."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from diag.doctor.facts import Disk
from diag.errors import DirectoryInUse, Forbidden, MetaError, StoreError
from diag.kv import boot
from diag.kv.directory import DATA_DIR, ETCD_DIR, SNAPSHOT_DIR
from diag.kv.reading import ReadTxn
from diag.kv.snapshot import SnapshotInfo, SnapshotStore, open_in_place
from diag.kv.store import Store
from diag.replication import etcd_process
from diag.replication.ledger import Ledger

_MAKING: Final = ".making-*"
_IMPORTING: Final = ".importing-*"


class State(NamedTuple):
    """What a store says of itself. ``cluster`` is the id of the log that led to it, empty for none."""

    node_id: int | None
    applied: int
    cluster: str


class SnapshotFound(NamedTuple):
    """A directory among the snapshots; ``fault`` says why it cannot be used."""

    name: str
    applied: int
    state: State | None
    fault: str | None


class DirectoryFacts(NamedTuple):
    """``raft_dir``. ``in_use`` is why it was looked at no closer, ``fault`` why its store cannot be opened.

    ``etcd`` is the name of the etcd member's node and of its cluster, ``etcd_fault`` why they are not told.
    ``doubtful``: the machine went down while it was in use. ``left`` are the names of what was never ended.
    """

    path: str
    exists: bool
    in_use: str | None = None
    fault: StoreError | None = None
    state: State | None = None
    doubtful: bool = False
    snapshots: tuple[SnapshotFound, ...] = ()
    half_written: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    etcd: tuple[str, str] | None = None
    etcd_fault: str | None = None
    disk: Disk | None = None

    @property
    def whole(self) -> tuple[SnapshotFound, ...]:
        """The snapshots that can be used, the newest first."""
        return tuple(one for one in self.snapshots if one.fault is None)


def directory_facts(raft_dir: Path) -> DirectoryFacts:
    """Read all of it once; snapshots are read through, to compare them with their hashes.

    Forbidden where something in it may not be read: it would look damaged.
    """
    _require_readable(raft_dir)
    data = raft_dir / DATA_DIR
    if not data.is_dir():
        return DirectoryFacts(str(raft_dir), exists=False)
    facts = DirectoryFacts(
        str(raft_dir),
        exists=True,
        doubtful=boot.is_doubtful(data, boot.boot_id()),
        half_written=_names(raft_dir / SNAPSHOT_DIR, _MAKING),
        left=_names(raft_dir, _IMPORTING),
        disk=_disk(raft_dir),
    )
    try:
        facts = facts._replace(state=_state_of(data))
    except DirectoryInUse as running:
        return facts._replace(in_use=str(running))
    except StoreError as fault:
        facts = facts._replace(fault=fault)
    member, member_fault = _member(raft_dir / ETCD_DIR)
    return facts._replace(snapshots=_snapshots(raft_dir / SNAPSHOT_DIR), etcd=member, etcd_fault=member_fault)


def _require_readable(raft_dir: Path) -> None:
    try:
        for path in _looked_at(raft_dir):
            if not os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK):
                raise PermissionError(errno.EACCES, "no right to read it", str(path))
    except PermissionError as error:
        raise Forbidden(
            f"{error.filename} may not be read by this user; look as the node's user, or as root."
        ) from None


def _looked_at(raft_dir: Path) -> Iterator[Path]:
    """What is there, each before what it holds; of the log's member its own directory alone."""
    yield from _present(raft_dir)
    for name in (DATA_DIR, SNAPSHOT_DIR, ETCD_DIR):
        for held in _present(raft_dir / name):
            yield held
            yield from sorted(held.iterdir())
    for snapshot in sorted((raft_dir / SNAPSHOT_DIR).glob("[!.]*")):
        if snapshot.is_dir():
            yield from sorted(snapshot.iterdir())


def _present(path: Path) -> Iterator[Path]:
    if path.exists():
        yield path


def _state_of(data: Path) -> State:
    with Store.open(data, readonly=True) as store, store.read() as txn:
        return _state(store.node_id, txn)


def _state(node_id: int | None, txn: ReadTxn) -> State:
    return State(node_id, txn.applied().index, Ledger.unpack(txn.log_state()).cluster.hex())


def _snapshots(root: Path) -> tuple[SnapshotFound, ...]:
    known = {info.path: info for info in SnapshotStore(root).all()}
    unread = [
        SnapshotFound(path.name, 0, None, "its facts cannot be read")
        for path in (sorted(root.iterdir()) if root.is_dir() else ())
        if path not in known and path.is_dir() and not path.name.startswith(".")
    ]
    return (*map(_looked_into, known.values()), *unread)


def _looked_into(info: SnapshotInfo) -> SnapshotFound:
    try:
        with open_in_place(info.path) as store, store.read() as txn:
            return SnapshotFound(info.path.name, info.index, _state(store.node_id, txn), None)
    except StoreError as fault:
        return SnapshotFound(info.path.name, info.index, None, str(fault))


def _member(etcd: Path) -> tuple[tuple[str, str] | None, str | None]:
    try:
        record = etcd_process.read_record(etcd)
    except MetaError as fault:
        return None, str(fault)
    if record is None or not (etcd / "member").is_dir():
        return None, None
    return (record.name, record.cluster), None


def _names(root: Path, pattern: str) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in root.glob(pattern))) if root.is_dir() else ()


def _disk(path: Path) -> Disk:
    usage = shutil.disk_usage(path)
    return Disk(path=str(path), free=usage.free, total=usage.total)
