"""What keeps a node from starting in a cluster: a sentence, a code that is not 0, and nothing overwritten."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from diag.perf.node_process import NodeProcess, free_ports
from tests.e2e.cluster import BRIEFLY, Cluster, cluster_of, names, put, refusal, status, values
from tests.polling import until

#: Several processes to start, on a machine that may be busy.
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("etcd"), pytest.mark.timeout(300)]


def files(directory: Path) -> dict[str, bytes]:
    """The data that a start could overwrite."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name in ("data.mdb", "FORMAT", "member.json", "db")
    }


def test_an_address_where_nobody_listens(alone: Cluster) -> None:
    (nobody,) = free_ports(1)
    said = refusal(alone.add(2, *BRIEFLY, joins=[f"127.0.0.1:{nobody}"]))
    assert f"No node behind 127.0.0.1:{nobody} let this one join within 3 s" in said
    assert names(alone) == ["1"]


def test_an_address_that_is_not_a_raft_address(alone: Cluster) -> None:
    said = refusal(alone.add(2, *BRIEFLY, joins=[alone.nodes[1].admin]))
    assert "no raft port of a cluster node answers" in said
    assert names(alone) == ["1"]


def test_a_wrong_address_before_a_right_one_does_no_harm(alone: Cluster) -> None:
    (nobody,) = free_ports(1)
    alone.add(2, joins=[f"127.0.0.1:{nobody}", alone.nodes[1].raft])
    alone.start(2)
    until(lambda: names(alone) == ["1", "2"])


def test_its_own_address_in_join(alone: Cluster) -> None:
    node = alone.add(2, joins=[alone.nodes[1].raft])
    own = alone.add(3, *BRIEFLY, "--raft-api-port", node.raft.rpartition(":")[2], joins=[node.raft])
    said = refusal(own)
    assert "join" in said
    assert node.raft in said
    assert not (own.directory / "raft" / "etcd").exists()


def test_an_id_that_another_node_has(alone: Cluster) -> None:
    put(alone.nodes[1], "k", b"1")
    twin = NodeProcess(
        alone.directory / "twin",
        [
            *("--id", "1", "--log-engine", "etcd", *BRIEFLY),
            *("--raft-advertise-host", "127.0.0.1", "--grpc-api-advertise-host", "127.0.0.1"),
        ],
        joins=[alone.nodes[1].raft],
    )
    said = refusal(twin)
    assert f"Id 1 is taken by the node at http://{alone.nodes[1].raft}" in said
    assert "diag leave" in said
    assert names(alone) == ["1"]
    assert values(alone.nodes[1], "") == {"k": b"1"}


def test_a_second_start_of_a_node_that_runs_does_not_take_it_out(alone: Cluster) -> None:
    node = alone.add(2)
    alone.start(2)
    twin = NodeProcess(
        alone.directory / "twin",
        [
            *("--id", "2", "--log-engine", "etcd", *BRIEFLY),
            *("--raft-advertise-host", "127.0.0.1", "--grpc-api-advertise-host", "127.0.0.1"),
        ],
        joins=[alone.nodes[1].raft],
    )
    twin.raft = node.raft
    assert "does node 2 run already?" in refusal(twin)
    assert names(alone) == ["1", "2"]
    assert status(node)["etcd"]["phase"] == "ready"


def test_the_name_of_another_cluster(alone: Cluster) -> None:
    said = refusal(alone.add(2, *BRIEFLY, "--cluster-name", "elsewhere"))
    assert "This is cluster foo_cluster, and node 2 is to be one of elsewhere" in said
    assert names(alone) == ["1"]
    assert status(alone.nodes[1])["leader"] is not None


def test_a_renamed_cluster(alone: Cluster) -> None:
    node = alone.nodes[1]
    node.stop()
    before = files(node.directory)
    other = alone.add(1, "--cluster-name", "elsewhere", joins=[])
    assert "belongs to member 1 of cluster foo_cluster, and this node is 1 of elsewhere" in refusal(other)
    assert files(node.directory) == before


def test_the_directory_of_a_single_node(alone: Cluster, tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node-2", ["--id", "2"]) as single:
        put(single, "own", b"1")
    before = files(tmp_path / "node-2")
    joining = alone.add(2, *BRIEFLY)
    assert "holds a state of its own" in refusal(joining)
    assert names(alone) == ["1"]
    assert files(tmp_path / "node-2") == before


def test_the_directory_of_a_node_of_another_cluster(alone: Cluster, tmp_path: Path, scratch: Path) -> None:
    with cluster_of(tmp_path / "other", scratch, 1) as other:
        put(other.nodes[1], "theirs", b"1")
        stranger = alone.add(2, *BRIEFLY)
        other.nodes[1].stop()
        whole = other.directory / "node-1"
        copied = stranger.directory / "raft"
        shutil.copytree(whole / "raft" / "store", copied / "store")
        (copied / "store" / "FORMAT").write_text(json.dumps({"version": 1, "ready": True, "node_id": 2}))
        before = files(copied)
        assert "is of another cluster's log" in refusal(stranger)
        assert names(alone) == ["1"]
        assert files(copied) == before
        # Without its log the node cannot found a cluster either.
        shutil.rmtree(whole / "raft" / "etcd")
        before = files(whole)
        assert "whose log this node has no more" in refusal(other.nodes[1])
        assert files(whole) == before


def test_a_member_of_another_cluster_that_is_told_to_join(
    alone: Cluster, tmp_path: Path, scratch: Path
) -> None:
    with cluster_of(tmp_path / "other", scratch, 1) as other:
        theirs = other.nodes[1]
        put(theirs, "theirs", b"1")
        theirs.stop()
        before = files(theirs.directory)
        strayed = other.add(1, *BRIEFLY, joins=[alone.nodes[1].raft])
        strayed.raft = theirs.raft
        said = refusal(strayed)
        assert alone.nodes[1].raft in said
        assert "of another cluster's log" in said
        assert files(theirs.directory) == before
        # Where nobody answers, the node is a member as before.
        (nobody,) = free_ports(1)
        again = other.add(1, joins=[f"127.0.0.1:{nobody}"])
        again.raft = theirs.raft
        other.start(1)
        assert values(again, "") == {"theirs": b"1"}
    assert names(alone) == ["1"]


def test_a_cluster_of_the_same_name_and_addresses_is_another(alone: Cluster) -> None:
    first = alone.nodes[1]
    second = alone.add(2)
    alone.start(2)
    put(second, "old", b"1")
    second.stop()
    first.stop()
    shutil.rmtree(first.directory / "raft")
    alone.start(1)
    put(first, "new", b"1")
    told = alone.add(2, *BRIEFLY)
    # Same ports as before, so that the old member finds the new one.
    told.raft = second.raft
    assert f"raft_config.join names {first.raft}, where another cluster is" in refusal(told)
    untold = alone.add(2, *BRIEFLY, joins=[])
    untold.raft = second.raft
    said = refusal(untold)
    assert "no leader" in said or "etcd does not serve" in said
    assert values(first, "") == {"new": b"1"}
    assert names(alone) == ["1"]


def test_a_member_that_goes_back_to_a_log_of_its_own(alone: Cluster, tmp_path: Path) -> None:
    put(alone.nodes[1], "k", b"1")
    alone.nodes[1].stop()
    before = files(tmp_path)
    embedded = NodeProcess(tmp_path / "node-1", ["--id", "1"])
    assert "is of a cluster's node; start it with --log-engine etcd" in refusal(embedded)
    assert files(tmp_path) == before


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "cannot be run"),
        ("echo etcd Version: 3.5.2", "is etcd 3.5.2, which can corrupt its data; a cluster needs 3.5.16"),
        ("echo hello", "does not tell an etcd version, so it is no etcd"),
        (
            'test "$1" = --version && echo etcd Version: 3.5.28 && exit; echo out of luck >&2; exit 7',
            "etcd ended at its start. etcd's last lines were: out of luck",
        ),
    ],
)
def test_an_etcd_that_is_of_no_use(tmp_path: Path, scratch: Path, body: str | None, reason: str) -> None:
    binary = tmp_path / "etcd" if body is None else script(tmp_path / "etcd", body)
    node = Cluster(tmp_path, scratch).add(1, *BRIEFLY, "--etcd-binary", str(binary))
    said = refusal(node)
    assert reason in said
    if body is None or "exit 7" not in body:
        assert "make etcd" in said


@pytest.mark.parametrize("place", ["raft", "grpc", "admin"])
def test_a_port_that_another_process_has(tmp_path: Path, scratch: Path, place: str) -> None:
    node = Cluster(tmp_path, scratch).add(1, *BRIEFLY)
    host, _, port = str(getattr(node, place)).rpartition(":")
    with socket.create_server((host, int(port))):
        said = refusal(node)
    assert port in said
    assert "use" in said
