"""A snapshot on its way from another node: resumed, checked, and gone when it is of no use."""

from dataclasses import replace
from pathlib import Path

import pytest

from diag.errors import Damaged, NewerFormat
from diag.kv.apply import apply
from diag.kv.arrival import Arrival, SnapshotOffer
from diag.kv.commands import Branch, Put, Transaction
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store


@pytest.fixture
def sent(store: Store, tmp_path: Path) -> SnapshotInfo:
    with store.write() as txn:
        apply(txn, Transaction((Branch(None, (Put("k", b"v" * 100_000),)),)), 10)
        txn.set_applied(Position(2, 7, 5))
    return SnapshotStore(tmp_path / "sender").create(store, 1234)


@pytest.fixture
def here(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "here")


def _offer(info: SnapshotInfo) -> SnapshotOffer:
    return SnapshotOffer(**{name: value for name, value in vars(info).items() if name != "path"})


def _receive(arrival: Arrival, data: bytes) -> SnapshotInfo:
    arrival.open()
    try:
        arrival.add(data[arrival.received :])
        return arrival.finish(9)
    finally:
        arrival.close()


def test_nothing_has_come_yet(sent: SnapshotInfo, here: SnapshotStore) -> None:
    assert not Arrival.begun(here, _offer(sent))
    arrival = Arrival(here, _offer(sent))
    arrival.close()
    arrival.open()
    assert arrival.received == 0
    arrival.close()
    assert here.all() == []


def test_what_is_whole_becomes_a_snapshot_of_this_node(
    sent: SnapshotInfo, here: SnapshotStore, tmp_path: Path
) -> None:
    info = _receive(Arrival(here, _offer(sent)), (sent.path / "data.mdb").read_bytes())
    assert info == replace(sent, path=here.root / "2-7-5")
    assert here.all() == [info]
    assert [path.name for path in here.root.iterdir()] == ["2-7-5"]
    here.restore(info, tmp_path / "restored")
    with Store.open(tmp_path / "restored", readonly=True) as restored, restored.read() as txn:
        assert (restored.node_id, txn.applied(), txn.key_count()) == (9, Position(2, 7, 5), 1)


def test_it_is_gone_on_with_after_a_break(sent: SnapshotInfo, here: SnapshotStore) -> None:
    data = (sent.path / "data.mdb").read_bytes()
    first = Arrival(here, _offer(sent))
    first.open()
    first.add(data[:5000])
    first.close()
    assert Arrival.begun(here, _offer(sent))
    assert here.all() == []
    second = Arrival(here, _offer(sent))
    second.open()
    assert second.received == 5000
    second.close()
    assert _receive(second, data).file_hash == sent.file_hash


def test_a_part_of_another_file_is_removed(sent: SnapshotInfo, here: SnapshotStore) -> None:
    first = Arrival(here, replace(_offer(sent), file_hash="ab" * 32))
    first.open()
    first.add(b"part")
    first.close()
    second = Arrival(here, _offer(sent))
    second.open()
    second.close()
    assert second.received == 0
    assert not Arrival.begun(here, replace(_offer(sent), file_hash="ab" * 32))


def test_a_wrong_file_or_content_is_refused_and_removed(sent: SnapshotInfo, here: SnapshotStore) -> None:
    data = (sent.path / "data.mdb").read_bytes()
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    for offer, content, reason in (
        (_offer(sent), damaged, "hash differs"),
        (replace(_offer(sent), content_hash="0" * 64), data, "other content"),
        (replace(_offer(sent), index=6), data, "holds Position"),
        (_offer(sent), data + b"x", "longer than"),
    ):
        with pytest.raises(Damaged, match=reason):
            _receive(Arrival(here, offer), content)
        assert list(here.root.iterdir()) == []


def test_a_newer_format_is_refused(sent: SnapshotInfo, here: SnapshotStore) -> None:
    with pytest.raises(NewerFormat, match="use a newer program"):
        Arrival(here, replace(_offer(sent), format=2)).open()


def test_a_hash_is_not_taken_for_a_path(sent: SnapshotInfo, here: SnapshotStore) -> None:
    arrival = Arrival(here, replace(_offer(sent), file_hash="/../../../x"))
    arrival.open()
    arrival.close()
    assert [path.parent for path in here.root.parent.rglob("data.mdb") if ".fetching" in str(path)] == [
        here.root / ".fetching-2-7-5-"
    ]
