import asyncio

import pytest

from tests.admin.served import Served
from tests.polling import until_async

pytestmark = pytest.mark.anyio


async def test_a_snapshot_is_triggered_and_answered_with_null_at_once(node: Served) -> None:
    response = await node.http.get("/v1/ctrl/trigger_snapshot")
    assert (response.status_code, response.text) == (200, "null")
    await until_async(lambda: node.log.status().snapshot is not None)


async def test_waiting_answers_with_what_each_node_holds(node: Served) -> None:
    await node.put("a", b"1")
    response = await node.http.get("/v1/ctrl/trigger_snapshot", params={"wait": "30"})
    (held,) = response.json()["nodes"]
    facts = node.log.status().snapshot
    assert facts is not None
    assert (held["id"], held["name"]) == (1, "1")
    assert held["snapshot"]["key_count"] == 1
    assert held["snapshot"]["content_hash"] == facts.content_hash
    assert held["snapshot"]["last_log_id"]["index"] == facts.log_id.index


async def test_a_snapshot_that_takes_longer_goes_on(node: Served) -> None:
    await asyncio.gather(*(node.put(f"key{n}", bytes(1000)) for n in range(2000)))
    response = await node.http.get("/v1/ctrl/trigger_snapshot", params={"wait": "0.001"})
    assert response.status_code == 504
    assert "still being written" in response.text
    await until_async(lambda: node.log.status().snapshot is not None)


@pytest.mark.parametrize("wait", ["0", "-1", "601", "nan", "inf", "soon", ""])
async def test_a_bad_wait_is_refused_with_its_range(node: Served, wait: str) -> None:
    response = await node.http.get("/v1/ctrl/trigger_snapshot", params={"wait": wait})
    assert response.status_code == 400
    assert "wait is" in response.text
    assert "600" in response.text
    assert node.log.status().snapshot is None


async def test_an_unknown_parameter_names_the_nearest(node: Served) -> None:
    response = await node.http.get("/v1/ctrl/trigger_snapshot", params={"weit": "1"})
    assert response.status_code == 400
    assert "did you mean 'wait'?" in response.text


async def test_features_of_a_fresh_node(node: Served) -> None:
    assert (await node.http.get("/v1/features/list?bogus=1")).status_code == 400
    response = await node.http.get("/v1/features/list")
    assert response.json() == {"features": ["dummy", "dummy_feature2"], "enabled": []}


async def test_features_are_set_and_unset_through_the_log(node: Served) -> None:
    before = node.log.status().last_applied.index
    params = {"feature": "dummy", "enable": "true"}
    response = await node.http.get("/v1/features/set", params=params)
    assert response.json() == {"features": ["dummy", "dummy_feature2"], "enabled": ["dummy"]}
    assert node.log.status().last_applied.index == before + 1
    assert (await node.http.get("/v1/features/list")).json()["enabled"] == ["dummy"]
    params["enable"] = "false"
    assert (await node.http.get("/v1/features/set", params=params)).json()["enabled"] == []


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"feature": "dummy"},
        {"enable": "true"},
        {"feature": "dummy", "enable": "yes"},
        {"feature": "", "enable": "true"},
    ],
)
async def test_features_set_needs_both_parameters(node: Served, params: dict[str, str]) -> None:
    response = await node.http.get("/v1/features/set", params=params)
    assert response.status_code == 400
    assert "'feature' and 'enable' query parameters are required" in response.text


async def test_an_unknown_feature_names_the_nearest(node: Served) -> None:
    response = await node.http.get("/v1/features/set", params={"feature": "dumy", "enable": "true"})
    assert response.status_code == 400
    assert "did you mean 'dummy'?" in response.text


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("", 409, "only voter"),
        ("?to=1", 409, "leader already"),
        ("?to=2", 400, "not a voter"),
        ("?to=abc", 400, "whole number"),
        ("?to=-1", 400, "whole number"),
        ("?to=99999999999999999999", 400, "whole number"),
        ("?to=1&to=2", 400, "more than once"),
    ],
)
async def test_leadership_of_one_node_goes_nowhere(node: Served, query: str, status: int, says: str) -> None:
    response = await node.http.get(f"/v1/ctrl/trigger_transfer_leader{query}")
    assert response.status_code == status
    assert says in response.text
    assert node.log.status().state == "Leader"
