"""Three nodes as processes: they find each other, are one service, and change their members."""

import asyncio
import json
import shutil
import threading

import pytest

from diag.cli import main
from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient
from tests.e2e.cluster import Cluster, call, get, level, put, refusal, status, values
from tests.e2e.conftest import processes
from tests.polling import until, until_async

#: Several processes to start, on a machine that may be busy.
pytestmark = [pytest.mark.usefixtures("etcd"), pytest.mark.timeout(300)]


def view(node_id: int, node: NodeProcess) -> dict[str, object]:
    """A node as every node is to tell it."""
    return {
        "name": str(node_id),
        "endpoint": {"addr": "127.0.0.1", "port": int(node.raft.rpartition(":")[2])},
        "grpc_api_addr": node.grpc,
        "grpc_api_advertise_address": node.grpc,
    }


def settled(cluster: Cluster, learners: int = 0) -> bool:
    """Whether every node names a leader, and all members for what they are."""
    told = [status(node) for node in cluster.nodes.values()]
    members = [(len(one["voters"]), len(one["non_voters"])) for one in told]
    return all(one["leader"] for one in told) and set(members) == {(len(told) - learners, learners)}


def test_they_find_each_other_and_tell_the_same(shared: Cluster) -> None:
    until(lambda: settled(shared))
    nodes = shared.nodes
    everyone = [view(node_id, node) for node_id, node in nodes.items()]
    leader = shared.leader()
    put(nodes[2], "k")
    until(lambda: level(shared))
    for node_id, node in nodes.items():
        assert get(node, "/v1/cluster/nodes").json() == everyone
        told = status(node)
        assert told["id"] == node_id
        assert told["endpoint"] == node.raft
        assert told["state"] == ("Leader" if node_id == leader else "Follower")
        assert told["is_leader"] is (node_id == leader)
        assert told["leader"] == view(leader, nodes[leader])
        assert (told["voters"], told["non_voters"]) == (everyone, [])
        assert told["db_size"] > 0
        assert told["current_term"] == status(nodes[leader])["current_term"] > 1
        assert told["last_log_index"] == told["last_applied"]["index"] > 0
        assert told["last_applied"]["term"] == told["last_applied"]["leader_id"]["term"]
        assert told["last_seq"] == status(nodes[leader])["last_seq"] > 0
        assert (told["replication"] is not None) is (node_id == leader)
    until(lambda: set(status(nodes[leader])["replication"]) == {"1", "2", "3"})
    listed = call(nodes[3], lambda client: client.member_list())
    assert list(listed) == shared.endpoints


def test_two_nodes_and_then_one_which_knows_no_leader(
    alone: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = alone.nodes[1], alone.add(2)
    alone.start(2)
    until(lambda: settled(alone))
    for node in (first, second):
        assert [voter["name"] for voter in status(node)["voters"]] == ["1", "2"]
    second.kill()
    until(lambda: status(first)["leader"] is None)
    assert main(["leave", "--leave-id", "2", "--endpoint", first.admin]) == 1
    said = capsys.readouterr().err
    assert "A majority of the cluster's voters does not answer" in said
    assert "unix:" not in said
    assert status(first)["state"] == "Candidate"
    assert [voter["name"] for voter in status(first)["voters"]] == ["1", "2"]
    assert get(first, "/readyz").status_code == 503
    second.start()
    until(lambda: settled(alone))
    put(first, "after")


def test_a_write_at_one_is_read_at_another_at_once(shared: Cluster) -> None:
    async def turns() -> None:
        nodes = list(shared.nodes.values())
        clients = [MetaClient([node.grpc]) for node in nodes]
        try:
            for turn in range(60):
                await clients[turn % 3].put("turn", str(turn).encode())
                for reader in (clients[(turn + 1) % 3], clients[(turn + 2) % 3]):
                    found = await reader.get("turn")
                    assert found is not None
                    assert found.data == str(turn).encode()
                    listed = [record.data async for _, record in reader.list("turn")]
                    assert listed == [str(turn).encode()]
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    asyncio.run(turns())


def test_a_watch_at_a_follower_sees_every_write_in_order(shared: Cluster) -> None:
    follower = next(node for node_id, node in shared.nodes.items() if node_id != shared.leader())

    async def watch() -> list[bytes]:
        async with MetaClient([follower.grpc]) as watching, MetaClient(shared.endpoints) as writing:
            seen: list[bytes] = []

            async def look() -> None:
                async for event in watching.watch("w/", "w0", initial_flush=True):
                    assert event.current is not None
                    seen.append(event.current.data)
                    if len(seen) == 51:
                        return

            await writing.put("w/first", b"first")
            looking = asyncio.create_task(look())
            await until_async(lambda: seen)
            for number in range(50):
                await writing.put("w/k", str(number).encode())
            await asyncio.wait_for(looking, 30)
            return seen

    assert asyncio.run(watch()) == [b"first", *(str(number).encode() for number in range(50))]


def test_a_learner_serves_and_is_promoted(alone: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    first, learner = alone.nodes[1], alone.add(2, "--learner")
    put(first, "early", b"1")
    alone.start(2)
    until(lambda: settled(alone, 1))
    for node in (first, learner):
        assert status(node)["voters"] == [view(1, first)]
        assert status(node)["non_voters"] == [view(2, learner)]
    assert status(learner)["state"] == "Learner"
    put(learner, "late", b"2")
    assert values(first, "late") == {"late": b"2"}
    assert values(learner, "") == {"early": b"1", "late": b"2"}

    async def watch(client: MetaClient) -> bytes:
        async for event in client.watch("seen", initial_flush=True):
            assert event.current is not None
            return event.current.data
        raise AssertionError("the watch ended")

    put(first, "seen", b"3")
    assert call(learner, watch) == b"3"
    assert main(["promote", "2", "--endpoint", learner.admin]) == 0
    assert "node 2 is a voter; voters: 1, 2; learners: none" in capsys.readouterr().out
    until(lambda: status(learner)["state"] == "Follower")
    put(learner, "voted", b"4")
    assert values(first, "voted") == {"voted": b"4"}


def test_a_node_leaves_and_comes_back_empty(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    third = cluster.nodes[3]
    put(third, "kept", b"1")
    assert main(["leave", "--leave-id", "3", "--endpoint", cluster.nodes[1].admin]) == 0
    assert "node 3 is out; voters: 1, 2; learners: none" in capsys.readouterr().out
    until(lambda: "was removed from its cluster" in get(third, "/readyz").text)
    assert get(third, "/readyz").status_code == 503
    assert "diag join" in status(third)["removed"]
    assert main(["status", "--endpoint", third.admin]) == 1
    assert "Removed: node 3 was removed" in capsys.readouterr().out
    third.stop()
    assert [node["name"] for node in get(cluster.nodes[1], "/v1/cluster/nodes").json()] == ["1", "2"]
    put(cluster.nodes[2], "without", b"2")

    assert "removed" in refusal(third)
    shutil.rmtree(third.directory / "raft")
    cluster.start(3)
    until(lambda: settled(cluster))
    assert values(third, "") == {"kept": b"1", "without": b"2"}


def test_a_node_that_lost_its_directory_comes_back_under_its_id(cluster: Cluster) -> None:
    second = cluster.nodes[2]
    put(second, "kept", b"1")
    second.kill()
    shutil.rmtree(second.directory / "raft")
    put(cluster.nodes[1], "meanwhile", b"2")
    cluster.start(2)
    until(lambda: settled(cluster))
    assert [node["name"] for node in status(second)["voters"]] == ["1", "2", "3"]
    assert values(second, "") == {"kept": b"1", "meanwhile": b"2"}
    put(second, "again", b"3")
    assert values(cluster.nodes[3], "again") == {"again": b"3"}


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_all_of_them_start_again_together(cluster: Cluster, how: str) -> None:
    put(cluster.nodes[3], "kept", b"1")
    for node in cluster.nodes.values():
        if how == "stop":
            assert node.stop() == 0
        else:
            node.kill()
    assert not [line for line in processes() if f"{cluster.directory}" in line.command], "an etcd is left"
    starting = [threading.Thread(target=node.start) for node in cluster.nodes.values()]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join(timeout=60)
    until(lambda: settled(cluster))
    for node in cluster.nodes.values():
        assert values(node, "") == {"kept": b"1"}
    put(cluster.nodes[1], "more", b"2")
    assert values(cluster.nodes[2], "more") == {"more": b"2"}


def test_the_table_of_all_nodes(shared: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes", "--endpoint", shared.nodes[2].admin, "--json"]) == 0
    assert [node["name"] for node in json.loads(capsys.readouterr().out)] == ["1", "2", "3"]
