"""The command against a cluster of three: what it shows of each node, and what it changes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from diag.cli import main
from diag.perf.node_process import NodeProcess
from tests.admin.members import Cluster, three_nodes

pytestmark = pytest.mark.anyio

Run = Callable[..., Awaitable[int]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with three_nodes(tmp_path) as nodes:
        yield nodes


@pytest.fixture
def run(cluster: Cluster) -> Run:
    """Runs the command against node 2, in a thread: the nodes are served by this loop."""

    async def go(*words: str) -> int:
        endpoint = ["--endpoint", f"127.0.0.1:{cluster.nodes[2].port}"]
        group = 2 if words[0] == "profile" else 1
        return await asyncio.to_thread(main, [*words[:group], *endpoint, *words[group:]])

    return go


def test_a_node_of_its_own_has_nobody_to_hand_over_to(
    node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transfer", "--endpoint", node.admin]) == 1
    assert "only voter" in capsys.readouterr().err
    assert main(["leave", "--endpoint", node.admin, "--leave-id", "0"]) == 1
    assert "no member can change" in capsys.readouterr().err


async def test_nodes_are_told_with_their_part_and_lag(
    run: Run, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("nodes") == 0
    first, second, third = capsys.readouterr().out.splitlines()
    applied = cluster.first.log.status().last_applied.index
    assert first == "id=1 raft=localhost:28103 grpc=localhost:9191 voter   leader lag=0"
    assert second == "id=2 raft=localhost:28203 grpc=localhost:9192 voter          lag=1"
    assert third == f"id=3 raft=localhost:28303 grpc=localhost:9193 learner        lag={applied}"
    cluster.peers.down = {1}
    assert await run("nodes") == 0
    assert "lag=" not in capsys.readouterr().out, "only the leader knows"


async def test_status_of_one_and_of_another(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("status") == 0
    assert "State: Follower" in capsys.readouterr().out
    assert await run("status", "--node", "1") == 0
    told = capsys.readouterr().out.splitlines()
    assert "State: Leader" in told
    assert "Voter: id=2 raft=localhost:28203 grpc=localhost:9192 lag=1" in told
    assert await run("status", "--node", "9") == 1
    assert "its members are 1, 2, 3" in capsys.readouterr().err


async def test_status_of_all_is_a_table(
    run: Run, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    await cluster.first.put("a", b"1")
    assert await run("status", "--node", "all") == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split()[:6] == ["ID", "STATE", "LEADER", "TERM", "APPLIED", "LAG"]
    assert [row.split()[:3] for row in rows] == [
        *(["1*", "Leader", "1"], ["2", "Follower", "1"], ["3", "Learner", "1"])
    ]
    assert [row.split()[5] for row in rows] == ["0", "1", "1"]
    cluster.peers.down = {3}
    assert await run("status", "--node", "all") == 1
    printed = capsys.readouterr().out
    assert "3   no answer" in printed
    assert printed.endswith("node 3: Node 3 is not reachable.\n")
    assert await run("status", "--node", "all", "--json") == 1
    assert [told["id"] for told in json.loads(capsys.readouterr().out)] == [1, 2, 3]


async def test_metrics_and_profiles_of_all(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("metrics", "--node", "all") == 0
    assert 'metasrv_server_is_leader{node="1"} 1' in capsys.readouterr().out
    out = tmp_path / "all.svg"
    options = ("--seconds", "0.3", "--engine", "inprocess", "--mode", "wall", "-o", str(out))
    assert await run("profile", "cpu", "--node", "all", *options) == 0
    assert ElementTree.parse(out).getroot().tag.endswith("svg")
    assert "meta nodes 1, 2, 3" in out.read_text()


async def test_a_snapshot_that_a_node_lacks_is_exit_code_1(
    run: Run, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("snapshot", "--wait", "5") == 0
    assert len(json.loads(capsys.readouterr().out)["nodes"]) == 3
    cluster.peers.down = {3}
    assert await run("snapshot", "--wait", "5") == 1
    assert "Node 3 is not reachable." in capsys.readouterr().out


async def test_leadership_is_handed_over_through_any_node(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("transfer", "--to", "2") == 0
    assert capsys.readouterr().out == "leadership goes from node 1 to node 2; the voters are 1, 2\n"


async def test_members_are_promoted_and_leave(
    run: Run, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("promote", "3") == 0
    assert "node 3 is a voter" in capsys.readouterr().out
    here = f"127.0.0.1:{cluster.first.port}"
    for command in ("leave", "serve"):
        words = [command, "--leave-id", "2", "--leave-via", "127.0.0.1:1", "--leave-via", here]
        assert await asyncio.to_thread(main, words) == 0
        printed = capsys.readouterr()
        assert "cannot reach" in printed.err
        assert printed.out == "node 2 is out; voters: 1, 2; learners: 3\n"
    assert await run("leave", "--leave-id", "77") == 0
    assert "node 77 is no member; nothing was changed" in capsys.readouterr().out
    assert await run("leave", "--leave-id", "1") == 1
    assert "last voter" in capsys.readouterr().err
    assert cluster.membership.asked == [("promote", 3), ("remove", 2), ("remove", 2), ("remove", 77)]


async def test_joining_is_serving_with_members_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join"]) == 2
    assert main(["join", "--raft-advertise-host", "here", "here:28103"]) == 2
    assert "names this node itself" in capsys.readouterr().err
    assert main(["join", "127.0.0.1:1", "--single"]) == 2
    assert "exactly one of" in capsys.readouterr().err


async def test_a_node_that_does_not_answer_has_no_lag(
    run: Run, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.peers.down = {3}
    assert await run("nodes") == 0
    third = capsys.readouterr().out.splitlines()[2]
    assert third.endswith("does not answer")
    assert "lag=" not in third
