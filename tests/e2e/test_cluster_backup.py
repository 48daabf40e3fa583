"""A cluster's catalogue out of its nodes, and a new cluster that goes on from it."""

import json
import shutil
from pathlib import Path

import pytest

from diag.cli import main
from diag.perf.node_process import NodeProcess
from tests.e2e.cluster import BRIEFLY, Cluster, call, get, level, put, refusal, status, values
from tests.e2e.conftest import children_of
from tests.polling import until

#: Several processes to start, on a machine that may be busy.
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("etcd"), pytest.mark.timeout(300)]


def fill(node: NodeProcess) -> dict[str, bytes]:
    """Some records, and a seq that is not their number."""
    for number in range(5):
        put(node, f"kept/{number}", str(number).encode())
    call(node, lambda client: client.delete("kept/0"))
    return values(node, "")


def lines(db: Path, kind: str) -> list[dict[str, object]]:
    """What an export says of one kind."""
    entries = [json.loads(line)[1] for line in db.read_text().splitlines()]
    return [entry[kind] for entry in entries if kind in entry]


def hashes(cluster: Cluster) -> set[str]:
    """The content of each node's newest snapshot, once all are of the same entry."""
    assert get(next(iter(cluster.nodes.values())), "/v1/ctrl/trigger_snapshot?wait=20").status_code == 200

    def held() -> list[dict[str, object]]:
        return [status(node)["snapshot"] or {} for node in cluster.nodes.values()]

    until(lambda: len({json.dumps(one.get("last_log_id")) for one in held()}) == 1)
    return {str(one["content_hash"]) for one in held()}


def test_an_export_names_the_nodes_and_is_the_same_from_each(cluster: Cluster, tmp_path: Path) -> None:
    kept = fill(cluster.nodes[2])
    until(lambda: level(cluster))
    records = []
    for node_id, node in cluster.nodes.items():
        db = tmp_path / f"{node_id}.ndjson"
        assert main(["export", "--endpoint", node.grpc, "--db", str(db)]) == 0
        nodes = lines(db, "Nodes")
        assert [one["key"] for one in nodes] == [1, 2, 3]
        assert [one["value"] for one in nodes] == [
            {
                "name": str(other_id),
                "endpoint": {"addr": "127.0.0.1", "port": int(other.raft.rpartition(":")[2])},
                "grpc_api_advertise_address": other.grpc,
            }
            for other_id, other in cluster.nodes.items()
        ]
        meta = {one["key"]: one["value"] for one in lines(db, "StateMachineMeta")}
        assert meta["LastMembership"]["Membership"]["membership"]["configs"] == [[1, 2, 3]]  # type: ignore[index]
        records.append(lines(db, "GenericKV"))
    assert records[0] == records[1] == records[2]
    assert [one["key"] for one in records[0]] == sorted(kept)


def test_a_new_cluster_goes_on_from_an_export(
    cluster: Cluster, tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = fill(cluster.nodes[3])
    before = status(cluster.nodes[3])
    db = tmp_path / "all.ndjson"
    assert main(["export", "--endpoint", cluster.nodes[3].grpc, "--db", str(db)]) == 0

    new = Cluster(tmp_path / "new", scratch)
    first = new.add(7)
    second, third = new.add(8), new.add(9)
    try:
        initial = [f"--initial-cluster={node_id}={node.raft}" for node_id, node in new.nodes.items()]
        raft = first.directory / "raft"
        assert main(["import", "--raft-dir", str(raft), "--db", str(db), "--id", "7", *initial]) == 0
        said = capsys.readouterr().err
        assert "serve --id 7 --single --log-engine etcd" in said
        assert f"serve --id 9 --join {first.raft} --log-engine etcd" in said
        assert "..." not in said
        new.start(7)
        assert values(first, "") == kept
        assert status(first)["last_seq"] == before["last_seq"] == 5
        assert status(first)["last_applied"]["index"] > before["last_applied"]["index"]
        put(first, "new", b"1")
        new.start(8, 9)
        put(third, "newer", b"2")
        for node in new.nodes.values():
            assert values(node, "") == kept | {"new": b"1", "newer": b"2"}
        assert [one["name"] for one in get(second, "/v1/cluster/nodes").json()] == ["7", "8", "9"]
        assert len(hashes(new)) == 1
        first.kill()
        put(second, "newest", b"3")
        new.start(7)
        assert values(first, "new") == {"new": b"1", "newer": b"2", "newest": b"3"}
        # The old cluster is as it was.
        assert values(cluster.nodes[1], "") == kept
        assert [one["name"] for one in get(cluster.nodes[1], "/v1/cluster/nodes").json()] == ["1", "2", "3"]
    finally:
        new.stop()


def test_an_imported_state_does_not_join(cluster: Cluster, tmp_path: Path) -> None:
    fill(cluster.nodes[1])
    db = tmp_path / "old.ndjson"
    assert main(["export", "--endpoint", cluster.nodes[1].grpc, "--db", str(db)]) == 0
    put(cluster.nodes[1], "later")
    joining = cluster.add(4, *BRIEFLY)
    raft = str(joining.directory / "raft")
    assert main(["import", "--raft-dir", raft, "--db", str(db), "--id", "4"]) == 0
    assert "Only the first node of a new cluster goes on from one" in refusal(joining)
    assert [one["name"] for one in get(cluster.nodes[1], "/v1/cluster/nodes").json()] == ["1", "2", "3"]


def test_a_backup_is_not_put_into_a_living_cluster(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = fill(cluster.nodes[1])
    db = tmp_path / "old.ndjson"
    assert main(["export", "--endpoint", cluster.nodes[1].grpc, "--db", str(db)]) == 0
    third = cluster.nodes[3]
    third.stop()
    put(cluster.nodes[1], "later", b"1")
    command = ["import", "--raft-dir", str(third.directory / "raft"), "--db", str(db), "--overwrite"]
    assert main(command) == 1
    assert "belongs to a member of a cluster" in capsys.readouterr().err
    cluster.start(3)
    assert values(third, "") == kept | {"later": b"1"}


def test_an_old_copy_of_a_members_directory_is_refused(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = fill(cluster.nodes[1])
    third = cluster.nodes[3]
    raft, copy = third.directory / "raft", third.directory / "copy"
    third.stop()
    shutil.copytree(raft, copy)
    cluster.start(3)
    put(third, "later", b"1")
    until(lambda: level(cluster))
    third.stop()
    shutil.rmtree(raft)
    copy.rename(raft)
    assert "as after a backup was put back" in refusal(third)
    assert main(["leave", "--leave-id", "3", "--endpoint", cluster.nodes[1].admin]) == 0
    shutil.rmtree(raft)
    cluster.start(3)
    assert values(third, "") == kept | {"later": b"1"}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_stopped_node_is_exported_from_its_directory(alone: Cluster, tmp_path: Path, how: str) -> None:
    node = alone.nodes[1]
    raft, db = node.directory / "raft", tmp_path / "offline.ndjson"
    put(node, "before", b"1")
    assert get(node, "/v1/ctrl/trigger_snapshot?wait=20").status_code == 200
    put(node, "after the snapshot", b"2")
    assert main(["export", "--raft-dir", str(raft), "--db", str(db)]) == 0, "while it runs, its last snapshot"
    assert [one["key"] for one in lines(db, "GenericKV")] == ["before"]
    (etcd,) = [child.pid for child in children_of(node.pid)]
    node.stop() if how == "stop" else node.kill()
    until(lambda: not Path(f"/proc/{etcd}").exists())
    assert main(["export", "--raft-dir", str(raft), "--db", str(db), "--overwrite"]) == 0
    assert [one["key"] for one in lines(db, "GenericKV")] == ["after the snapshot", "before"]
    with NodeProcess(tmp_path / "single") as before:
        before.stop()
        single = str(before.directory / "raft")
        assert main(["import", "--raft-dir", single, "--db", str(db), "--overwrite"]) == 0
        before.start()
        assert values(before, "") == {"before": b"1", "after the snapshot": b"2"}
    node.start()
    assert values(node, "") == {"before": b"1", "after the snapshot": b"2"}


def test_a_single_node_becomes_the_first_of_a_cluster(tmp_path: Path, scratch: Path) -> None:
    with NodeProcess(tmp_path / "node-1", ["--id", "1"]) as single:
        kept = fill(single)
        before = status(single)
    cluster = Cluster(tmp_path, scratch)
    cluster.add(1)
    cluster.add(2)
    try:
        cluster.start(1)
        assert values(cluster.nodes[1], "") == kept
        assert status(cluster.nodes[1])["last_seq"] == before["last_seq"]
        cluster.add(3, "--learner")
        cluster.start(2, 3)
        put(cluster.nodes[2], "new", b"1")
        for node in cluster.nodes.values():
            assert values(node, "") == kept | {"new": b"1"}
        assert len(hashes(cluster)) == 1
    finally:
        cluster.stop()


def test_a_killed_founder_goes_on_with_its_import(tmp_path: Path, scratch: Path) -> None:
    with NodeProcess(tmp_path / "node-1", ["--id", "1"]) as single:
        kept = fill(single)
    cluster = Cluster(tmp_path, scratch)
    first = cluster.add(1)
    cluster.add(2)
    try:
        cluster.start(1)
        first.kill()
        cluster.start(1, 2)
        for node in cluster.nodes.values():
            assert values(node, "") == kept
    finally:
        cluster.stop()


def test_a_snapshot_of_a_member_is_restored_as_a_state_without_a_cluster(
    alone: Cluster, tmp_path: Path, scratch: Path
) -> None:
    kept = fill(alone.nodes[1])
    assert get(alone.nodes[1], "/v1/ctrl/trigger_snapshot?wait=20").status_code == 200
    old = str(alone.nodes[1].directory / "raft")
    for name in ("single", "founder"):
        target = tmp_path / name / "node-1" / "raft"
        assert main(["restore", "--raft-dir", old, "--to", str(target)]) == 0
    with NodeProcess(tmp_path / "single" / "node-1", ["--id", "1"]) as single:
        assert values(single, "") == kept
    founded = Cluster(tmp_path / "founder", scratch)
    founded.add(1)
    founded.add(2)
    try:
        founded.start(1, 2)
        for node in founded.nodes.values():
            assert values(node, "") == kept
    finally:
        founded.stop()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--initial-cluster", "1"], "the form is ID=HOST:PORT"),
        (["--initial-cluster", "1=host"], "the form is ID=HOST:PORT"),
        (["--id", "1", "--initial-cluster", "1=a:1", "--initial-cluster", "1=b:1"], "for the second time"),
        (["--id", "1", "--initial-cluster", "1=a:1", "--initial-cluster", "2=a:1"], "for the second time"),
        (["--initial-cluster", "1=a:1"], "no --id is given"),
        (["--id", "2", "--initial-cluster", "1=a:1"], "and --id 2 is given"),
    ],
)
def test_nodes_of_a_new_cluster_that_cannot_be(
    tmp_path: Path, flags: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    db = tmp_path / "empty.ndjson"
    db.write_text('["header",{"DataHeader":{"key":"header","value":{"version":"V004"}}}]\n')
    assert main(["import", "--raft-dir", str(tmp_path / "raft"), "--db", str(db), *flags]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "raft").exists()
