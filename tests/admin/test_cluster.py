"""The routes that only read: the contract's fields, exact names and shapes, and live figures."""

import pytest

from tests.admin.served import Served

pytestmark = pytest.mark.anyio

CONTRACT_STATUS = {
    "id": int,
    "endpoint": str,
    "db_size": int,
    "state": str,
    "is_leader": bool,
    "current_term": int,
    "last_log_index": int,
    "last_applied": dict,
    "leader": dict,
    "voters": list,
    "non_voters": list,
    "last_seq": int,
}
NODE = {
    "name": "1",
    "endpoint": {"addr": "localhost", "port": 28103},
    "grpc_api_addr": "127.0.0.1:9191",
    "grpc_api_advertise_address": None,
}


async def test_nodes_of_a_fresh_node(node: Served) -> None:
    response = await node.http.get("/v1/cluster/nodes")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == [NODE]


async def test_status_has_every_field_of_the_contract(node: Served) -> None:
    status = (await node.http.get("/v1/cluster/status")).json()
    assert {name: type(status[name]) for name in CONTRACT_STATUS} == CONTRACT_STATUS
    assert status["id"] == 1
    assert status["endpoint"] == "localhost:28103"
    assert status["leader"] == NODE
    assert status["voters"] == [NODE]
    assert status["non_voters"] == []
    assert (status["state"], status["is_leader"]) == ("Leader", True)


async def test_status_has_the_fields_of_the_current_service_too(node: Served) -> None:
    status = (await node.http.get("/v1/cluster/status")).json()
    assert status["binary_version"] == "0.1.0"
    assert status["data_version"] == "V004"
    assert status["snapshot_key_count"] == 0
    assert status["snapshot_last_log_id"] is None
    assert set(status["last_applied"]) == {"term", "index", "leader_id"}
    assert status["raft_log"]["wal_closed_chunk_sizes"] == {}
    assert isinstance(status["replication"], dict)


async def test_status_follows_writes_and_snapshots(node: Served) -> None:
    before = (await node.http.get("/v1/cluster/status")).json()
    for n in range(3):
        await node.put(f"key{n}", b"value")
    after = (await node.http.get("/v1/cluster/status")).json()
    assert after["last_seq"] == before["last_seq"] + 3
    assert after["last_applied"]["index"] == before["last_applied"]["index"] + 3
    assert after["last_log_index"] == after["last_applied"]["index"]
    assert after["key_count"] == 3
    facts = await node.log.snapshot()
    held = (await node.http.get("/v1/cluster/status")).json()
    assert held["snapshot_key_count"] == 3
    assert held["snapshot_last_log_id"]["index"] == facts.log_id.index


async def test_config_is_plain_text(node: Served) -> None:
    response = await node.http.get("/v1/config")
    assert response.headers["content-type"].startswith("text/plain")
    assert "admin_api_address" in response.text


async def test_metrics_are_live_and_in_the_contract_s_form_by_default(node: Served) -> None:
    await node.put("a", b"1")
    node.metrics.received(123)
    response = await node.http.get("/v1/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert "metasrv_meta_network_recv_bytes 123" in lines
    assert "metasrv_server_last_seq 1" in lines
    assert "metasrv_server_is_leader 1" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


async def test_metrics_as_openmetrics_when_accepted(node: Served) -> None:
    accept = {"accept": "application/openmetrics-text; version=1.0.0, */*;q=0.1"}
    response = await node.http.get("/v1/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


async def test_an_unknown_path_says_where_the_known_ones_are(node: Served) -> None:
    for path in ("/v1", "/v1/cluster/node", "/debug", "/debug/pprof/nothing", "/ui"):
        response = await node.http.get(path)
        assert response.status_code == 404, path
        assert path in response.text
        assert "/debug/home" in response.text


async def test_the_list_of_nodes_honours_node_or_refuses_it(node: Served) -> None:
    path = "/v1/cluster/nodes"
    assert (await node.http.get(path, params={"node": "1"})).json() == [NODE]
    assert (await node.http.get(path, params={"node": "2"})).status_code == 404
    assert (await node.http.get(path, params={"node": "all"})).status_code == 400
    assert (await node.http.get(path, params={"nod": "1"})).status_code == 400
