"""A stopped node's directory: whole, and with each fault made for real in it."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diag.cli import main
from diag.doctor.finding import Finding
from diag.doctor.offline import directory_facts
from diag.doctor.rules.directory import DIRECTORY_RULES, examine_directory
from diag.errors import MetaError
from diag.kv import boot
from diag.kv.directory import DATA, DATA_DIR, ETCD_DIR, FORMAT, SNAPSHOT_DIR
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication.ledger import Ledger

#: What the machine that runs the tests may have.
OF_THE_MACHINE = {"disk_low"}


def findings(raft_dir: Path) -> dict[str, Finding]:
    found = examine_directory(directory_facts(raft_dir)).findings
    for one in found:
        assert one.says.endswith(".")
        assert one.evidence
        assert one.next
    return {one.name: one for one in found if one.name not in OF_THE_MACHINE}


@contextlib.contextmanager
def store_of(raft_dir: Path, node_id: int = 1) -> Iterator[Store]:
    store = Store.open(raft_dir / DATA_DIR, node_id=node_id)
    try:
        yield store
    finally:
        store.close()


def advance(store: Store, index: int, cluster: bytes = b"") -> None:
    with store.write() as txn:
        txn.set_applied(Position(1, 1, index))
        if cluster:
            txn.set_log_state(Ledger(cluster=cluster, version=index).pack())


def snapshot(raft_dir: Path, store: Store) -> SnapshotInfo:
    return SnapshotStore(raft_dir / SNAPSHOT_DIR).create(store, 1)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A single node's directory with one snapshot."""
    with store_of(tmp_path) as store:
        advance(store, 7)
        snapshot(tmp_path, store)
    return tmp_path


def test_a_whole_one_has_nothing_and_stays_as_it_is(whole: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in whole.rglob("*") if path.is_file())
    assert findings(whole) == {}
    assert sorted((path, path.stat().st_mtime_ns) for path in whole.rglob("*") if path.is_file()) == before


def as_nobody(look: Callable[[], str]) -> str:
    """What it says to a user who owns nothing."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        said = "died"
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            said = look()
        except MetaError as error:
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(write, said.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        said = told.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    "closed", ["", DATA_DIR, f"{DATA_DIR}/{DATA}", SNAPSHOT_DIR, f"{SNAPSHOT_DIR}/*/{DATA}"]
)
def test_what_may_not_be_read_is_not_called_damaged(whole: Path, closed: str) -> None:
    with open_to_all(whole) as place:
        (path,) = place.glob(closed) if closed else [place]
        path.chmod(0)
        said = as_nobody(lambda: str(sorted(findings(place))))
        assert said == f"Forbidden: {path} may not be read by this user; look as the node's user, or as root."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_only_read_finds_a_whole_one_whole(whole: Path) -> None:
    with open_to_all(whole) as place:
        assert as_nobody(lambda: str(sorted(findings(place)))) == "[]"
        assert not list(place.rglob(".making-*"))


@contextlib.contextmanager
def open_to_all(raft_dir: Path) -> Iterator[Path]:
    """A copy where everybody can come to, and read but not write."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        copied = Path(shutil.copytree(raft_dir, Path(place) / "raft"))
        for path in (copied, *copied.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield copied


def test_an_empty_store_has_nothing(tmp_path: Path) -> None:
    with store_of(tmp_path):
        pass
    assert findings(tmp_path) == {}


def test_no_directory(tmp_path: Path) -> None:
    assert findings(tmp_path / "none")["no_store"].severity == "critical"
    assert findings(tmp_path)["no_store"].severity == "critical"


def test_one_in_use(whole: Path) -> None:
    with store_of(whole):
        found = findings(whole)
    assert list(found) == ["in_use"]
    assert "--endpoint" in found["in_use"].next


def test_a_snapshot_that_was_being_written(whole: Path) -> None:
    (whole / SNAPSHOT_DIR / ".making-abc").mkdir()
    found = findings(whole)
    assert found["half_written_snapshot"].evidence == (".making-abc",)
    assert found["half_written_snapshot"].severity == "warning"


def test_an_import_that_was_cut_short(whole: Path) -> None:
    (whole / ".importing-abc").mkdir()
    assert findings(whole)["unfinished_import"].evidence == (".importing-abc",)


def test_a_snapshot_that_is_damaged_is_as_bad_as_what_is_left(whole: Path) -> None:
    with store_of(whole) as store:
        advance(store, 9)
        later = snapshot(whole, store)
    data = later.path / DATA
    data.write_bytes(data.read_bytes()[:-1] + b"\xff")
    found = findings(whole)["snapshot_damaged"]
    assert (found.severity, "1 of 2 snapshots" in found.says) == ("warning", True)
    assert later.path.name in found.evidence[0]
    for path in (whole / SNAPSHOT_DIR).iterdir():
        (path / "snapshot.json").write_text("{}")
    assert findings(whole)["snapshot_damaged"].severity == "critical"


def test_a_state_that_exists_once(whole: Path) -> None:
    shutil.rmtree(whole / SNAPSHOT_DIR)
    assert findings(whole)["no_snapshot"].severity == "warning"


def test_a_newer_format(whole: Path) -> None:
    (whole / DATA_DIR / FORMAT).write_text(json.dumps({"version": 99, "ready": True, "node_id": 1}))
    found = findings(whole)["newer_format"]
    assert (found.severity, "format 99" in found.evidence[0]) == ("critical", True)


@pytest.mark.parametrize("how", ["empty", "cut", "no format"])
def test_a_damaged_store(whole: Path, how: str) -> None:
    data = whole / DATA_DIR / DATA
    if how == "no format":
        (whole / DATA_DIR / FORMAT).unlink()
    else:
        os.truncate(data, 0 if how == "empty" else data.stat().st_size // 2)
    found = findings(whole)["store_damaged"]
    assert found.severity == "critical"
    assert "diag restore" in found.next


def test_a_snapshot_of_another_cluster_or_of_a_later_state(tmp_path: Path) -> None:
    with store_of(tmp_path) as store:
        advance(store, 7, b"\1" * 8)
        snapshot(tmp_path, store)
        advance(store, 8, b"\2" * 8)
    member(tmp_path)
    found = findings(tmp_path)["other_cluster"]
    assert found.severity == "critical"
    assert ("01" * 8 in found.evidence[0], "02" * 8 in found.evidence[0]) == (True, True)
    with store_of(tmp_path) as store:
        advance(store, 6, b"\1" * 8)
    assert (
        "entry 7; the store: of 0101010101010101, entry 6" in findings(tmp_path)["other_cluster"].evidence[0]
    )


def member(raft_dir: Path, name: str = "1") -> None:
    (raft_dir / ETCD_DIR / "member").mkdir(parents=True)
    (raft_dir / ETCD_DIR / "member.json").write_text(json.dumps({"name": name, "cluster": "foo_cluster"}))


def test_a_cluster_s_state_without_its_log(tmp_path: Path) -> None:
    with store_of(tmp_path) as store:
        advance(store, 7, b"\1" * 8)
        snapshot(tmp_path, store)
    assert findings(tmp_path)["log_missing"].severity == "critical"
    member(tmp_path)
    assert findings(tmp_path) == {}


def test_a_store_and_a_member_of_two_nodes(whole: Path) -> None:
    member(whole, "2")
    assert "store: node 1; etcd: node 2" in findings(whole)["other_node"].evidence[0]
    (whole / ETCD_DIR / "member.json").write_text("nonsense")
    assert findings(whole)["log_unusable"].severity == "critical"


def test_a_machine_that_went_down_under_it(whole: Path) -> None:
    boot.mark(whole / DATA_DIR, "another boot")
    assert findings(whole)["unclean_shutdown"].severity == "warning"


def test_the_command(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (whole / SNAPSHOT_DIR / ".making-abc").mkdir()
    assert main(["doctor", "--raft-dir", str(whole)]) in {1, 2}
    said = capsys.readouterr().out
    assert "WARNING half_written_snapshot: " in said
    assert f"({len(DIRECTORY_RULES)} checks of {whole})" in said
    assert main(["doctor", "--raft-dir", str(whole / "none"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["findings"][0]["name"] == "no_store"
