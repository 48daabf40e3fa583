"""The runner on a cluster of one: kills lose nothing, and a node that does lose is found out."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from diag.errors import Unavailable
from diag.faults.clock import Clock, refusal
from diag.faults.cluster import Cluster
from diag.faults.history import read_history
from diag.faults.scenario import CannotHere, Fault, Pace, run
from diag.faults.scenarios import scenarios
from diag.faults.single import SingleNode
from diag.faults.suite import run_all
from tests.polling import until

_PACE = Pace(before=0.5, grace=0.2, recovery=20)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SingleNode]:
    cluster = SingleNode(tmp_path / "node")
    cluster.start("n1")
    yield cluster
    cluster.killed("n1")


async def nothing(cluster: Cluster) -> None:
    pass


def off_loop(action: Callable[[Cluster], object]) -> Callable[[Cluster], Awaitable[None]]:
    async def run_it(cluster: Cluster) -> None:
        await asyncio.to_thread(action, cluster)

    return run_it


def killed(cluster: Cluster) -> None:
    cluster.killed("n1")


def started(cluster: Cluster) -> None:
    cluster.start("n1")


def test_no_fault_at_all(cluster: SingleNode, tmp_path: Path) -> None:
    row = asyncio.run(run(cluster, Fault("nothing", nothing, nothing), 0.5, pace=_PACE, directory=tmp_path))
    assert row.problems == ()
    assert row.acked > 100
    assert (row.unknown, row.lost, row.twice, row.stale) == (0, 0, 0, 0)
    with (tmp_path / "nothing.jsonl").open() as file:
        assert len(read_history(file)) > 100


def test_kill_and_restart_lose_nothing(cluster: SingleNode) -> None:
    fault = Fault("kill everything", off_loop(killed), off_loop(started), acks=False)
    row = asyncio.run(run(cluster, fault, 0.5, pace=_PACE))
    assert row.verdict == "pass", row.problems
    assert row.unknown > 0
    assert row.longest_gap > 0.5
    assert row.recovered_in is not None


def test_a_node_that_forgets_is_found_out(cluster: SingleNode, tmp_path: Path) -> None:
    def forget(cluster: Cluster) -> None:
        cluster.killed("n1")
        shutil.rmtree(tmp_path / "node" / "raft")

    fault = Fault("forget", off_loop(forget), off_loop(started), acks=False)
    row = asyncio.run(run(cluster, fault, 0.3, pace=_PACE))
    assert row.verdict == "FAIL"
    assert row.lost > 10
    text = "\n".join(row.problems)
    assert "keys lost, such as __faults/" in text
    assert "no order explains this answer" in text or "the seq went back" in text or "given twice" in text


def test_acknowledging_without_a_quorum_is_found_out(cluster: SingleNode) -> None:
    row = asyncio.run(run(cluster, Fault("no quorum", nothing, nothing, acks=False), 0.5, pace=_PACE))
    assert any("while no quorum was there" in problem for problem in row.problems)


def test_a_cluster_that_does_not_recover_is_told(cluster: SingleNode) -> None:
    pace = Pace(before=0.2, grace=0.2, recovery=1.0)
    row = asyncio.run(run(cluster, Fault("no return", off_loop(killed), nothing), 0.3, pace=pace))
    assert row.recovered_in is None
    assert any("not every node was healthy" in problem for problem in row.problems)
    cluster.start("n1")


def test_what_cannot_be_done_here_is_skipped_with_its_reason(cluster: SingleNode) -> None:
    async def refused(cluster: Cluster) -> None:
        raise CannotHere("no such thing")

    row = asyncio.run(run(cluster, Fault("refused", refused, nothing), 0.3, pace=_PACE))
    assert (row.verdict, row.skipped) == ("skipped", "no such thing")


def test_a_fault_that_cannot_be_made_or_mended_is_a_failure_and_not_the_end(cluster: SingleNode) -> None:
    async def fails(cluster: Cluster) -> None:
        raise Unavailable("nobody home")

    row = asyncio.run(run(cluster, Fault("fails", fails, fails), 0.3, pace=_PACE))
    assert row.problems[:2] == (
        "the fault could not be made: nobody home",
        "the fault could not be mended: nobody home",
    )


@pytest.mark.parametrize("name", ["kill -9 of everything", "freeze a meta process"])
def test_scenarios_that_a_single_node_can_stand(cluster: SingleNode, name: str) -> None:
    fault = next(each for each in scenarios() if each.name == name)
    # A cluster of one acknowledges nothing meanwhile.
    row = asyncio.run(run(cluster, replace(fault, longest_gap=None, least=0.0), 0.5, pace=_PACE))
    hard = [problem for problem in row.problems if "acknowledged while a majority" not in problem]
    assert hard == []
    until(lambda: cluster.is_healthy("n1"))


@pytest.mark.skipif(bool(refusal()), reason=refusal() or "clocks can be moved")
def test_a_clock_that_jumps_an_hour_and_back(tmp_path: Path) -> None:
    cluster = SingleNode(tmp_path / "node", Clock(tmp_path / "clock"))
    cluster.start("n1")
    try:
        for name in ("clock of one node an hour ahead", "clock of one node an hour behind"):
            fault = next(each for each in scenarios() if each.name == name)
            row = asyncio.run(run(cluster, fault, 2.0, pace=_PACE))
            assert row.verdict == "pass", row.problems
    finally:
        cluster.killed("n1")


def test_scenarios_have_names_of_their_own() -> None:
    names = [each.name for each in scenarios()]
    assert len(names) == len(set(names)) > 15


def test_a_suite_ends_where_the_cluster_does_not_recover(cluster: SingleNode) -> None:
    pace = Pace(before=0.2, grace=0.2, recovery=1.0)
    faults = [
        Fault("nothing", nothing, nothing),
        Fault("no return", off_loop(killed), nothing),
        Fault("never run", nothing, nothing),
    ]
    rows = asyncio.run(run_all(cluster, faults, 0.3, pace=pace))
    assert [row.verdict for row in rows] == ["pass", "FAIL", "skipped"]
    assert asyncio.run(run_all(cluster, [], 0.3)) == []
    cluster.start("n1")
