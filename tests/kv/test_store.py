"""The store: byte order at any length, what it refuses, and that it never overwrites."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diag.errors import Damaged, DirectoryInUse, NewerFormat, NoSpace, OtherNode, StoreError
from diag.kv.records import Record
from diag.kv.state import Position
from diag.kv.store import Store

# Parts that pile up around the engine's limit and share long beginnings.
_parts = st.sampled_from(
    ["", "a", "b", "\x00", "\x7f", "é", "\U0010ffff", "/", "x" * 100, "x" * 500, "x" * 501]
    + ["x" * n for n in range(507, 515)]
    + ["x" * 1011, "x" * 1012, "y" * 2000]
)
_keys = st.lists(_parts, max_size=4).map("".join).filter(lambda key: len(key.encode()) <= 4096)


def _record(seq: int) -> Record:
    return Record(seq, b"%d" % seq)


def test_an_empty_store_holds_nothing(store: Store) -> None:
    with store.read() as txn:
        assert list(txn.scan()) == []
        assert txn.get("") is None
        assert txn.key_count() == txn.expire_count() == txn.seq() == 0
        assert txn.applied() == Position(0, 0, 0)
    assert store.size() > 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    puts=st.lists(_keys, max_size=30),
    deletes=st.lists(_keys, max_size=10),
    prefix=_keys,
    after=_keys,
    end=_keys,
)
def test_keys_of_any_length_are_in_byte_order(
    store: Store, puts: list[str], deletes: list[str], prefix: str, after: str, end: str
) -> None:
    model = {key: _record(number) for number, key in enumerate(puts, 1)}
    with store.write() as txn:
        for key, _ in list(txn.scan()):
            txn.delete(key)
        for number, key in enumerate(puts, 1):
            txn.put(key, _record(number))
        for key in (*deletes, *puts[::3]):
            txn.delete(key)
            model.pop(key, None)
    ordered = sorted(model.items(), key=lambda item: item[0].encode())
    with store.read() as txn:
        assert list(txn.scan()) == ordered
        assert txn.key_count() == len(ordered)
        assert [txn.get(key) for key in puts] == [model.get(key) for key in puts]
        within = [item for item in ordered if item[0].startswith(prefix)]
        assert list(txn.scan(prefix)) == within
        assert txn.count_prefix(prefix) == len(within)
        assert txn.count_prefix(prefix, 2) == min(2, len(within))
        assert list(txn.scan(prefix, after, 3)) == [item for item in within if item[0] > after][:3]
        assert list(txn.scan_range(prefix, end)) == [item for item in ordered if prefix <= item[0] < end]


def test_every_length_up_to_the_limit(store: Store) -> None:
    keys = ["k" * length for length in range(4097)]
    with store.write() as txn:
        for key in keys:
            txn.put(key, _record(len(key) + 1))
    with store.read() as txn:
        assert [key for key, _ in txn.scan()] == keys
        assert txn.get("k" * 4096) == _record(4097)
    with store.write() as txn:
        for key in keys:
            txn.delete(key)
    with store.read() as txn:
        assert txn.key_count() == 0


def test_a_failed_write_changes_nothing(store: Store) -> None:
    with suppress(RuntimeError), store.write() as txn:
        txn.put("a", _record(1))
        raise RuntimeError
    with store.read() as txn:
        assert txn.get("a") is None


def test_a_read_sees_one_state(store: Store) -> None:
    with store.read() as before:
        with store.write() as txn:
            txn.put("a", _record(1))
        assert before.get("a") is None


def test_large_values(store: Store) -> None:
    value = os.urandom(32 << 20)
    with store.write() as txn:
        txn.put("large", Record(1, value, 2**64 - 1, 0))
    with store.read() as txn:
        assert txn.get("large") == Record(1, value, 2**64 - 1, 0)


def test_state_survives_a_reopening(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as first, first.write() as txn:
        txn.put("a", _record(txn.next_seq()))
        txn.set_applied(Position(3, 1, 9))
        txn.advance_log_time(77)
        txn.set_features(("dummy",))
    with Store.open(tmp_path / "s") as second, second.read() as read:
        assert (read.applied(), read.seq(), read.log_time_ms()) == (Position(3, 1, 9), 1, 77)
        assert read.features() == ("dummy",)
        assert read.get("a") == _record(1)


def test_a_directory_in_use_is_refused(store: Store) -> None:
    for readonly in (False, True):
        with pytest.raises(DirectoryInUse, match="in use by another process"):
            Store.open(store.path, readonly=readonly)


def test_a_directory_in_use_by_another_process_is_refused(store: Store) -> None:
    program = (
        "import sys; from pathlib import Path; from diag.kv.store import Store; Store.open(Path(sys.argv[1]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(store.path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "DirectoryInUse" in ended.stderr


def test_a_closed_store_refuses_use(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"), store.read():
        pass
    with pytest.raises(StoreError, match="closed"):
        store.size()


def _contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "written"
    with Store.open(path) as opened, opened.write() as txn:
        for number in range(2000):
            txn.put(f"key/{number}", Record(number + 1, b"v" * 100))
    return path


def _refused(path: Path, kind: type[Exception], words: str) -> None:
    before = _contents(path)
    with pytest.raises(kind, match=words):
        Store.open(path)
    assert _contents(path) == before


def test_a_newer_format_is_refused(written: Path) -> None:
    (written / "FORMAT").write_text(json.dumps({"version": 99, "ready": True}))
    _refused(written, NewerFormat, "has format 99")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "one"}', '{"version": 0}'])
def test_an_unreadable_format_is_refused(written: Path, content: str) -> None:
    (written / "FORMAT").write_text(content)
    _refused(written, Damaged, "FORMAT")


def test_a_directory_of_another_node_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s", node_id=3) as opened:
        assert opened.node_id == 3
    before = _contents(tmp_path / "s")
    with pytest.raises(OtherNode, match=f"{tmp_path}/s belongs to node 3, and this is node 4; .*--id 3"):
        Store.open(tmp_path / "s", node_id=4)
    assert _contents(tmp_path / "s") == before
    for node_id in (3, None):
        with Store.open(tmp_path / "s", node_id=node_id) as again:
            assert again.node_id == 3


def test_a_directory_of_no_node_is_adopted_by_the_first_that_opens_it(written: Path) -> None:
    with Store.open(written, readonly=True) as opened:
        assert opened.node_id is None
    with Store.open(written, node_id=0) as adopted, adopted.read() as txn:
        assert (adopted.node_id, txn.key_count()) == (0, 2000)
    with pytest.raises(OtherNode, match="belongs to node 0, and this is node 1"):
        Store.open(written, node_id=1)


@pytest.mark.parametrize("content", ['"1"', "-1", "true", "1.0"])
def test_an_id_that_is_none_is_damage(written: Path, content: str) -> None:
    (written / "FORMAT").write_text(f'{{"version": 1, "ready": true, "node_id": {content}}}')
    _refused(written, Damaged, "node_id")


def test_data_of_someone_else_are_refused(written: Path) -> None:
    (written / "FORMAT").unlink()
    _refused(written, Damaged, "not a store of ours")


def test_missing_data_are_refused(written: Path) -> None:
    (written / "data.mdb").unlink()
    _refused(written, Damaged, "missing or empty")


@pytest.mark.parametrize("keep", [0, 1, 4096, 8192, 40960])
def test_cut_data_are_refused(written: Path, keep: int) -> None:
    os.truncate(written / "data.mdb", keep)
    _refused(written, Damaged, "restore a snapshot")


@pytest.mark.parametrize("start", [0, 16, 4096 * 20, 4096 * 30])
def test_overwritten_data_are_refused(written: Path, start: int) -> None:
    with (written / "data.mdb").open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * 8192)
    _refused(written, Damaged, "damaged")


def test_a_making_that_was_cut_short_begins_again(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text('{"version": 1, "ready": false}')
    with Store.open(tmp_path) as opened, opened.read() as txn:
        assert txn.key_count() == 0


def test_reading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="holds no store"):
        Store.open(tmp_path / "absent", readonly=True)
    assert not (tmp_path / "absent").exists()


def test_a_read_only_store_takes_no_writes(written: Path) -> None:
    with Store.open(written, readonly=True) as opened:
        with opened.read() as txn:
            assert txn.key_count() == 2000
        with pytest.raises(NoSpace, match="reading only"), opened.write():
            pass


def test_a_full_map_is_no_space(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s", map_size=1 << 20) as opened:
        with pytest.raises(NoSpace, match="map size"), opened.write() as txn:
            txn.put("a", Record(1, b"v" * (2 << 20)))
        with opened.write() as txn:
            txn.put("a", _record(1))
        assert (opened.failures.writes, opened.failures.reads) == ({"apply": 1}, {})


def test_what_the_engine_refuses_is_counted(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as opened:
        assert (opened.failures.writes, opened.failures.reads) == ({}, {})
        with pytest.raises(StoreError), opened.read():
            raise lmdb.CorruptedError("a page")
        with pytest.raises(ZeroDivisionError), opened.write():  # the command's own fault
            raise ZeroDivisionError
        (tmp_path / "taken" / "data.mdb").mkdir(parents=True)
        with pytest.raises(StoreError):
            opened.copy_to(tmp_path / "taken")
        assert (opened.failures.writes, opened.failures.reads) == ({"snapshot": 1}, {"read": 1})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small"
    path.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs could be mounted: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_is_no_space_and_keeps_what_is_there(small_disk: Path) -> None:
    with Store.open(small_disk / "s") as opened:
        with opened.write() as txn:
            txn.put("kept", _record(1))
        with pytest.raises(NoSpace, match="free space"), opened.write() as txn:
            txn.put("large", Record(2, b"v" * (8 << 20)))
        with opened.write() as txn:
            assert txn.get("large") is None
            txn.put("after", _record(3))
    with Store.open(small_disk / "s") as opened, opened.read() as read:
        assert [key for key, _ in read.scan()] == ["after", "kept"]


def test_a_read_only_disk_is_refused(small_disk: Path) -> None:
    with Store.open(small_disk / "s"):
        pass
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(NoSpace, match=os.strerror(errno.EROFS)):
        Store.open(small_disk / "s")
    with Store.open(small_disk / "s", readonly=True) as opened, opened.read() as txn:
        assert txn.key_count() == 0
