"""``/debug/slow``: of this node, of another, of all."""

import pytest

from diag.metrics.slow import SlowRequest
from tests.admin.members import Cluster
from tests.admin.served import Served

pytestmark = pytest.mark.anyio

SLOW = "/debug/slow"


def took(at: float, key: str = "table/1") -> SlowRequest:
    stages = {"queue": 0.2, "apply": 0.0251234, "fsync": 0.3, "reply": 0.001}
    return SlowRequest(at, "Transaction", key, 0.5261234, stages, "night-1", 1234, None)


async def test_a_node_without_slow_requests_says_so(node: Served) -> None:
    told = await node.http.get(SLOW, headers={"accept": "application/json"})
    assert told.json() == {"threshold_ms": 100, "total": 0, "requests": []}
    text = (await node.http.get(SLOW)).text
    assert text == "0 requests took 100 ms or more since the start; the last 0, newest first:\n"


async def test_requests_are_told_newest_first_with_their_stages(node: Served) -> None:
    node.slow.note(took(0.0))
    node.slow.note(took(1_800_000_000.5, key='<script>alert(1)</script>\n"'))
    newest, oldest = (await node.http.get(SLOW, params={"format": "json"})).json()["requests"]
    assert oldest == {
        "node": 1,
        "at": "1970-01-01T00:00:00.000Z",
        "method": "Transaction",
        "key": "table/1",
        "ms": 526.123,
        "stages": {"queue": 200, "apply": 25.123, "fsync": 300, "reply": 1},
        "request_id": "night-1",
        "received": 1234,
        "error": None,
    }
    assert newest["at"] == "2027-01-15T08:00:00.500Z"
    response = await node.http.get(SLOW)
    assert response.headers["content-type"].startswith("text/plain")
    _, first, second = response.text.splitlines()
    assert r"""'<script>alert(1)</script>\n"'""" in first
    assert "(queue 200, apply 25.123, fsync 300, reply 1)  request night-1" in second


async def test_those_of_all_nodes_are_one_list(cluster: Cluster) -> None:
    for node_id, node in cluster.nodes.items():
        node.slow.note(took(10.0 * node_id))
    there = (await cluster.first.http.get(SLOW, params={"node": "2", "format": "json"})).json()
    assert [row["node"] for row in there["requests"]] == [2]
    everywhere = await cluster.first.http.get(SLOW, params={"node": "all", "format": "json"})
    assert [row["node"] for row in everywhere.json()["requests"]] == [3, 2, 1]
    assert everywhere.json()["total"] == 3
    cluster.peers.down = {2}
    partly = await cluster.first.http.get(SLOW, params={"node": "all"})
    assert partly.headers["x-nodes-missing"].startswith("2: ")
    assert "node 3" in partly.text
    assert "node 2" not in partly.text
    assert partly.text.endswith("\nNode 2 is missing: Node 2 is not reachable.\n")


@pytest.mark.parametrize(("query", "says"), [("format=xml", "format is 'xml'"), ("n=1", "no parameter 'n'")])
async def test_what_it_does_not_know_is_told(node: Served, query: str, says: str) -> None:
    response = await node.http.get(f"{SLOW}?{query}")
    assert (response.status_code, says in response.text) == (400, True)
