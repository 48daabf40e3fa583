"""Any node answers for any other: status, metrics and errors, with one that is frozen or gone."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text

from diag.admin.guard import Guard
from diag.admin.relay import SOON
from diag.admin.tokens import TokensFile
from diag.replication import Answer, Question
from tests.admin.keyed import TOKENS, bearer, tokens_file
from tests.admin.members import ADDRESSES, Cluster, three_nodes
from tests.admin.served import TOKEN, Served
from tests.polling import until_async

pytestmark = pytest.mark.anyio

STATUS, METRICS, CPU = "/v1/cluster/status", "/v1/metrics", "/debug/pprof/profile"
THREADS = "/debug/pprof/threads"


async def test_a_node_of_its_own_is_all_there_is(node: Served) -> None:
    (only,) = (await node.http.get(STATUS, params={"node": "all"})).json()
    assert only == (await node.http.get(STATUS, params={"node": "1"})).json()
    missing = await node.http.get(STATUS, params={"node": "2"})
    assert missing.status_code == 404
    assert missing.text == "There is no node 2 in this cluster; its members are 1.\n"


async def test_each_node_tells_the_status_of_each(cluster: Cluster) -> None:
    await cluster.nodes[2].put("only-there", b"1")
    for asked in cluster.nodes.values():
        for node_id in cluster.nodes:
            response = await asked.http.get(STATUS, params={"node": str(node_id)})
            assert response.json()["id"] == node_id
    second = await cluster.first.http.get(STATUS, params={"node": "2"})
    assert second.json()["key_count"] == 1
    assert second.headers["x-meta-node"] == "2"
    assert "x-meta-node" not in (await cluster.first.http.get(STATUS, params={"node": "1"})).headers


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("node=4", 404, "its members are 1, 2, 3"),
        ("node=x", 400, "must be the id of a node, or all"),
        ("node=", 400, "must be the id of a node, or all"),
        ("node=-1", 400, "must be the id"),
        ("node=2&nodes=2", 400, "one parameter"),
        ("node=1&node=2", 400, "more than once"),
        ("nod=2", 400, "did you mean 'node'?"),
    ],
)
async def test_what_names_no_node_is_told(cluster: Cluster, query: str, status: int, says: str) -> None:
    for path in (STATUS, METRICS, CPU):
        response = await cluster.first.http.get(f"{path}?{query}")
        assert (response.status_code, path) == (status, path)
        assert says in response.text
    assert cluster.peers.asked == []


async def test_a_node_that_is_gone_is_503_and_a_frozen_one_504(cluster: Cluster) -> None:
    cluster.peers.down, cluster.peers.frozen = {2}, {3}
    gone = await cluster.first.http.get(STATUS, params={"node": "2"})
    assert (gone.status_code, gone.text) == (503, "Node 2 is not reachable.\n")
    frozen = await cluster.first.http.get(STATUS, params={"node": "3"})
    assert frozen.status_code == 504
    assert "has not answered within 3 s" in frozen.text


async def test_status_of_all_names_those_that_did_not_answer(cluster: Cluster) -> None:
    whole = (await cluster.first.http.get(STATUS, params={"node": "all"})).json()
    assert [(told["id"], told["state"]) for told in whole] == [(1, "Leader"), (2, "Follower"), (3, "Learner")]
    cluster.peers.down, cluster.peers.frozen = {2}, {3}
    began = time.monotonic()
    first, second, third = (await cluster.first.http.get(STATUS, params={"nodes": "all"})).json()
    assert time.monotonic() - began < 2 * SOON, "a frozen node holds nobody beyond the bound"
    assert first["id"] == 1
    assert second == {"id": 2, "name": "2", "error": "Node 2 is not reachable."}
    assert (third["id"], "within 0.9 s" in third["error"]) == (3, True)


async def test_metrics_of_all_are_one_page_with_the_node_on_each_sample(cluster: Cluster) -> None:
    cluster.peers.down = {3}
    response = await cluster.first.http.get(METRICS, params={"node": "all"})
    assert "not reachable" in response.headers["x-nodes-missing"]
    families = list(parse_text(response.text))
    samples = [sample for family in families for sample in family.samples]
    assert {sample.labels.get("node") for sample in samples} == {"1", "2", "3"}
    leads = {s.labels["node"]: s.value for s in samples if s.name == "metasrv_server_is_leader"}
    assert leads == {"1": 1, "2": 0}
    up = {s.labels["node"]: s.value for s in samples if s.name == "metasrv_cluster_node_up"}
    assert up == {"1": 1, "2": 1, "3": 0}


async def test_openmetrics_of_all_is_openmetrics(cluster: Cluster) -> None:
    headers = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = await cluster.first.http.get(METRICS, params={"node": "all"}, headers=headers)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    text = response.text
    families = list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    nodes = {sample.labels["node"] for family in families for sample in family.samples}
    assert nodes == {"1", "2", "3"}
    assert text.count("# EOF") == 1


async def test_the_first_node_decides_who_may_ask(cluster: Cluster) -> None:
    async with cluster.first.from_elsewhere() as http:
        assert (await http.get(STATUS, params={"node": "2"})).status_code == 200, "status is open"
        for node in ("2", "all"):
            refused = await http.get("/debug/pprof/threads", params={"node": node})
            assert refused.status_code == 403
        token = {"authorization": f"Bearer {TOKEN}"}
        assert (
            await http.get("/debug/pprof/threads", params={"node": "2"}, headers=token)
        ).status_code == 200
    asked = [question.headers for _, question in cluster.peers.asked]
    assert "metadiag-vouched" not in asked[0], "an open route vouches for nobody"
    assert asked[-1]["authorization"] == f"Bearer {TOKEN}"


async def test_the_other_node_hears_who_asks_with_which_role_under_which_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guards = {
        node_id: Guard(
            tokens=TokensFile(tokens_file(tmp_path / str(node_id), TOKENS if node_id == 1 else {}))
        )
        for node_id in ADDRESSES
    }
    async with three_nodes(tmp_path, guards) as cluster:
        sent = {**bearer(TOKENS["profile"]), "x-request-id": "night-shift"}
        for path in (f"{THREADS}?node=2", f"{THREADS}?node=all", f"{STATUS}?node=all", f"{METRICS}?node=all"):
            response = await cluster.first.http.get(path, headers=sent)
            assert (response.status_code, response.headers.get("x-nodes-missing")) == (200, None), path
            assert not path.startswith(STATUS) or "error" not in response.text
        assert {question.headers["x-request-id"] for _, question in cluster.peers.asked} == {"night-shift"}
        moved = "/v1/ctrl/trigger_transfer_leader"
        refused = await cluster.first.http.get(moved, params={"node": "2"}, headers=sent)
        assert (refused.status_code, "needs the role admin" in refused.text) == (403, True)
        everywhere = "/v1/ctrl/trigger_snapshot?wait=20"
        held = await cluster.first.http.get(everywhere, headers=bearer(TOKENS["admin"]))
        assert held.status_code == 200
        assert "error" not in held.text, "the node asks the others for their status by itself"
    told = [record.message for record in caplog.records if record.name == "diag.audit"]
    there = [line for line in told if 'how="member"' in line]
    assert there
    assert all('caller="profileer" role="profile"' in line for line in there)


async def test_a_client_s_own_headers_do_not_reach_the_other_node(cluster: Cluster) -> None:
    sent = {"metadiag-vouched": "admin me", "x-other": "y", "cookie": "z", "accept": "application/json"}
    await cluster.first.http.get(STATUS, params={"node": "2"}, headers=sent)
    ((_, question),) = cluster.peers.asked
    assert set(question.headers) == {"accept", "user-agent", "x-request-id"}
    assert question.path == STATUS


async def test_a_client_that_goes_ends_the_work_on_the_other_node(cluster: Cluster) -> None:
    params = {"node": "2", "seconds": "60", "engine": "inprocess"}
    asking = asyncio.create_task(cluster.first.http.get(CPU, params=params))
    await until_async(lambda: cluster.nodes[2].lock.holder() is not None)
    assert cluster.first.lock.holder() is None
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until_async(lambda: cluster.nodes[2].lock.holder() is None)


async def test_leadership_is_handed_over_by_the_leader_alone(cluster: Cluster) -> None:
    path = "/v1/ctrl/trigger_transfer_leader"
    refused = await cluster.nodes[2].http.get(path)
    assert (refused.status_code, refused.text) == (404, "Only the leader hands over leadership.\n")
    done = await cluster.nodes[2].http.get(path, params={"node": "1", "to": "2"})
    assert done.json() == {"from": 1, "to": 2, "voter_ids": [1, 2]}
    assert (await cluster.nodes[2].http.get(path, params={"node": "all"})).status_code == 400


async def test_head_is_answered_as_get_is_without_the_body(cluster: Cluster) -> None:
    for path in (STATUS, METRICS):
        for node in ("2", "all"):
            response = await cluster.first.http.head(path, params={"node": node})
            assert (response.status_code, response.content) == (200, b"")
            assert "x-nodes-missing" not in response.headers


@pytest.mark.parametrize("word", ["", "soon", "-1", "nan", "9" * 400])
@pytest.mark.parametrize("status", [409, 503])
async def test_a_refusal_that_lies_about_the_wait_is_no_fault_of_the_node_asked(
    cluster: Cluster, status: int, word: str
) -> None:
    async def refuse(_question: Question) -> Answer:
        async def body() -> AsyncIterator[bytes]:
            yield b"not now"

        return Answer(status, {"retry-after": word}, body())

    cluster.peers.tunnels[2] = refuse  # type: ignore[assignment]
    answer = await cluster.first.http.get("/debug/profiles/x@2/diff/x@2")
    assert (answer.status_code, "not now" in answer.text) == (503, True)
