"""Snapshots: durable, verified, restorable, and one at least is always there."""

import shutil
from pathlib import Path

import pytest

from diag.errors import Damaged, StoreError
from diag.kv.apply import apply
from diag.kv.commands import Branch, Lifetime, Put, Transaction
from diag.kv.snapshot import SnapshotStore, open_snapshot
from diag.kv.state import Position
from diag.kv.store import Store


def _fill(store: Store, index: int, count: int = 100) -> None:
    puts = tuple(Put(f"k/{n}", b"%d" % index, Lifetime(ttl_ms=n or None)) for n in range(count))
    with store.write() as txn:
        apply(txn, Transaction((Branch(None, (*puts, Put("l" * 2000, b""))),)), 10)
        txn.set_applied(Position(2, 7, index))


def _all(store: Store) -> list[object]:
    with store.read() as txn:
        return [*txn.scan(), *txn.expiries(), txn.applied(), txn.seq(), txn.log_time_ms()]


def test_no_snapshot_yet(tmp_path: Path) -> None:
    assert SnapshotStore(tmp_path / "snapshots").latest() is None
    assert SnapshotStore(tmp_path / "snapshots").all() == []


def test_round_trip(store: Store, tmp_path: Path) -> None:
    _fill(store, 5)
    snapshots = SnapshotStore(tmp_path / "snapshots")
    info = snapshots.create(store, 1234)
    assert info.path == tmp_path / "snapshots" / "2-7-5"
    assert (info.key_count, info.expire_count, info.created_ms) == (101, 99, 1234)
    assert info.size == (info.path / "data.mdb").stat().st_size
    assert snapshots.latest() == info
    snapshots.verify(info)
    snapshots.restore(info, tmp_path / "restored")
    with Store.open(tmp_path / "restored") as restored:
        assert _all(restored) == _all(store)
        again = SnapshotStore(tmp_path / "other").create(restored, 1)
    assert again.content_hash == info.content_hash
    assert not list(tmp_path.glob(".making-*"))


def test_the_newest_and_the_one_before_are_kept(store: Store, tmp_path: Path) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots")
    made = []
    for index in (8, 9, 10, 10):
        _fill(store, index)
        made.append(snapshots.create(store, 0))
    assert sorted(path.name for path in snapshots.root.iterdir()) == ["2-7-10", "2-7-9"]
    assert snapshots.all() == [made[3], made[1]]
    assert snapshots.latest() == made[3]
    for info in snapshots.all():
        snapshots.verify(info)


def test_a_snapshot_of_a_later_position_is_another_historys(store: Store, tmp_path: Path) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots")
    for index in (9, 20, 10):
        _fill(store, index)
        snapshots.create(store, 0)
    assert [info.index for info in snapshots.all()] == [10, 9]


def test_a_failed_making_keeps_the_one_before(store: Store, tmp_path: Path) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots")
    _fill(store, 1)
    info = snapshots.create(store, 0)
    store.close()
    with pytest.raises(StoreError):
        snapshots.create(store, 0)
    assert [path.name for path in snapshots.root.iterdir()] == ["2-7-1"]
    snapshots.verify(info)


def test_a_making_cut_short_is_no_snapshot_and_is_cleared(store: Store, tmp_path: Path) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots")
    (snapshots.root / ".making-x").mkdir(parents=True)
    assert snapshots.latest() is None
    snapshots.create(store, 0)
    assert [path.name for path in snapshots.root.iterdir()] == ["0-0-0"]


def test_damaged_snapshots_are_refused(store: Store, tmp_path: Path) -> None:
    _fill(store, 5)
    snapshots = SnapshotStore(tmp_path / "snapshots")
    info = snapshots.create(store, 0)
    data = info.path / "data.mdb"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(Damaged, match="hash differs"):
        snapshots.verify(info)
    with pytest.raises(Damaged, match="hash differs"):
        snapshots.restore(info, tmp_path / "restored")
    with pytest.raises(Damaged, match="hash differs"):
        snapshots.open(info)
    assert not (tmp_path / "restored").exists()
    data.unlink()
    with pytest.raises(Damaged, match="cannot be read"):
        snapshots.verify(info)


def test_unreadable_facts_are_refused(store: Store, tmp_path: Path) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots")
    info = snapshots.create(store, 0)
    (info.path / "snapshot.json").write_text("{")
    assert snapshots.latest() is None
    with pytest.raises(Damaged, match="not a whole snapshot"):
        open_snapshot(info.path)


def test_restoring_never_overwrites(store: Store, tmp_path: Path) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots")
    info = snapshots.create(store, 0)
    with pytest.raises(StoreError, match="not empty"):
        snapshots.restore(info, store.path)


def test_a_snapshot_is_of_a_node_and_restored_for_it_or_another(tmp_path: Path) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots")
    with Store.open(tmp_path / "store", node_id=3) as opened:
        info = snapshots.create(opened, 0)
    snapshots.restore(info, tmp_path / "same")
    snapshots.restore(info, tmp_path / "other", node_id=4)
    for name, node_id in (("same", 3), ("other", 4)):
        with Store.open(tmp_path / name, readonly=True) as restored:
            assert restored.node_id == node_id
    snapshots.verify(info)


def test_open_twice_and_after_it_was_replaced(store: Store, tmp_path: Path) -> None:
    _fill(store, 5)
    info = SnapshotStore(tmp_path / "snapshots").create(store, 0)
    with open_snapshot(info.path) as one, open_snapshot(info.path) as two:
        shutil.rmtree(info.path)
        assert _all(one) == _all(two) == _all(store)
