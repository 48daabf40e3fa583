"""A cluster of three processes that is well: findings, and a bundle of it, opened and read."""

import json
from pathlib import Path

import pytest

import flamegraph
from diag.cli import main
from tests.bundle.opened import opened
from tests.e2e.cluster import Cluster
from tests.polling import until

pytestmark = [pytest.mark.usefixtures("etcd"), pytest.mark.timeout(300)]

#: What the machine that runs the tests may have.
OF_THE_MACHINE = {"disk_low", "slow_fsync", "tracing_denied", "loop_blocked", "loop_late", "old_etcd"}


def test_nothing_is_found_in_a_cluster_that_is_well(
    shared: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    def found() -> set[str]:
        assert main(["doctor", "--json", "--endpoint", shared.nodes[2].admin]) in {0, 1, 2}
        report = json.loads(capsys.readouterr().out)
        assert report["answered"] == [1, 2, 3]
        return {one["name"] for one in report["findings"]} - OF_THE_MACHINE

    until(lambda: found() == set())


def test_a_bundle_of_three_nodes_is_opened_and_read(
    shared: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "bundle.tar.gz"
    words = ["--duration", "3", "--interval", "1", "-o", str(target)]
    assert main(["bundle", "--endpoint", shared.nodes[3].admin, *words]) == 0, capsys.readouterr().err
    told = opened(target.read_bytes())
    assert [one for one in told.index["items"] if one["state"] == "failed"] == []
    assert told.index["nodes"] == [1, 2, 3]
    for node_id, node in shared.nodes.items():
        of_node = {
            name: content for name, content in told.files.items() if name.startswith(f"nodes/{node_id}/")
        }
        place = f"nodes/{node_id}"
        status = json.loads(of_node[f"{place}/status.json"])
        assert (status["id"], status["endpoint"]) == (node_id, node.raft)
        assert status["etcd"]["phase"] == "ready"
        assert json.loads(of_node[f"{place}/facts.json"])["etcd"]["version"].startswith("3.")
        assert f'raft_dir = "{node.directory / "raft"}"'.encode() in of_node[f"{place}/config.toml"]
        assert b"log-proposer" in of_node[f"{place}/threads-and-tasks.txt"]
        assert b"raft" in of_node[f"{place}/etcd-log.txt"]
        for moment in range(4):
            assert b"metasrv_" in of_node[f"{place}/moments/{moment:03}/metrics.txt"]
            assert json.loads(of_node[f"{place}/moments/{moment:03}/status.json"])["id"] == node_id
        (tmp_path / "cpu.pb.gz").write_bytes(of_node[f"{place}/cpu.pb.gz"])
        with (tmp_path / "cpu.pb.gz").open("rb") as file:
            assert flamegraph.read(file).total >= 0
        assert b"<svg" in of_node[f"{place}/memory.svg"]
    report = json.loads(told.files["doctor-end.json"])
    assert report["answered"] == [1, 2, 3]
    assert b"checks of nodes 1, 2, 3" in told.files["doctor-end.txt"]
