"""The short form of ``make faults``: three real nodes, without root, and the faults that matter most."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.faults.scenario import Pace
from diag.faults.scenarios import scenarios
from diag.faults.suite import run_all
from diag.faults.three import VOTERS, ThreeNodes
from diag.replication.etcd_binary import EtcdBinary

_SHORT = ("kill -9 of the leader's node", "transfer of leadership")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, etcd: EtcdBinary) -> Iterator[ThreeNodes]:
    with ThreeNodes(tmp_path_factory.mktemp("three")) as cluster:
        yield cluster


def test_three_nodes_that_agree(cluster: ThreeNodes) -> None:
    assert cluster.leader() in VOTERS
    assert all(cluster.is_running(name) and cluster.is_healthy(name) for name in VOTERS)
    assert all(cluster.pids(name).etcd for name in VOTERS)
    digests = set(cluster.digests().values())
    assert len(digests) == 1
    assert digests.pop().content


@pytest.mark.parametrize("name", _SHORT)
def test_a_fault_costs_a_pause_and_nothing_else(cluster: ThreeNodes, name: str, tmp_path: Path) -> None:
    fault = next(each for each in scenarios() if each.name == name)
    pace = Pace(before=0.5)
    (row,) = asyncio.run(run_all(cluster, [fault], 0.5, pace=pace, directory=tmp_path))
    assert row.problems == ()
    assert row.acked > 50
