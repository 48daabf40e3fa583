"""A snapshot on every node, and what is said of a node that has none."""

import pytest

from tests.admin.members import Cluster
from tests.polling import until_async

pytestmark = pytest.mark.anyio

SNAPSHOT = "/v1/ctrl/trigger_snapshot"


async def test_without_waiting_every_node_writes_one(cluster: Cluster) -> None:
    response = await cluster.nodes[2].http.get(SNAPSHOT)
    assert (response.status_code, response.text) == (200, "null")
    await until_async(lambda: all(node.log.status().snapshot for node in cluster.nodes.values()))


async def test_waiting_says_what_each_node_holds(cluster: Cluster) -> None:
    response = await cluster.first.http.get(SNAPSHOT, params={"wait": "30"})
    held = response.json()["nodes"]
    assert [entry["id"] for entry in held] == [1, 2, 3]
    for entry in held:
        facts = cluster.nodes[entry["id"]].log.status().snapshot
        assert facts is not None
        assert entry["snapshot"]["content_hash"] == facts.content_hash


async def test_a_node_that_is_gone_frozen_or_behind_is_told(cluster: Cluster) -> None:
    await cluster.first.put("ahead", b"1")
    cluster.peers.down = {2}
    first, second, third = (await cluster.first.http.get(SNAPSHOT, params={"wait": "1"})).json()["nodes"]
    assert first["snapshot"]["key_count"] == 1
    assert second == {"id": 2, "name": "2", "error": "Node 2 is not reachable."}
    assert "has no snapshot of entry" in third["error"], "its log is one entry shorter"
    cluster.peers.frozen = {3}
    *_, third = (await cluster.first.http.get(SNAPSHOT, params={"wait": "30"})).json()["nodes"]
    assert "has not answered within 3 s" in third["error"]
