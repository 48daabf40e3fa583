"""A bundle made by a node: started, told of, fetched and opened; with nodes that are gone or frozen."""

import asyncio

import httpx
import pytest

from tests.admin.members import Cluster
from tests.admin.served import TOKEN, Served
from tests.bundle.opened import Opened, opened
from tests.polling import until_answered, until_async

pytestmark = pytest.mark.anyio

BUNDLE = "/debug/bundle"
QUICK = {"duration": "1", "interval": "1"}


async def fetched(node: Served, place: str) -> httpx.Response:
    """The bundle, once it is no longer being made."""
    return await until_answered(lambda: node.http.get(place), lambda answer: answer.status_code != 202)


async def bundle_of(node: Served, **params: str) -> Opened:
    started = await node.http.post(BUNDLE, params={**QUICK, **params})
    assert started.status_code == 202, started.text
    assert started.json()["state"] == "running"
    response = await fetched(node, started.headers["location"])
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/gzip"
    assert f"metadiag-bundle-{started.json()['id']}.tar.gz" in response.headers["content-disposition"]
    return opened(response.content)


async def test_none_yet(node: Served) -> None:
    assert (await node.http.get(BUNDLE)).json() == []
    for id_ in ("20261129T101010000-01234567", "nonsense", "..%2F..%2Fetc"):
        assert (await node.http.get(f"{BUNDLE}/{id_}")).status_code == 404


async def test_of_one_node_with_profiles(node: Served) -> None:
    told = await bundle_of(node)
    failed = [one for one in told.index["items"] if one["state"] == "failed"]
    assert failed == []
    assert told.files["nodes/1/cpu.pb.gz"][:2] == b"\x1f\x8b"
    assert b"<svg" in told.files["nodes/1/cpu.svg"]
    assert b"metasrv_" in told.files["nodes/1/moments/001/metrics.txt"]
    assert b"checks of node 1" in told.files["doctor-end.txt"]
    assert b"MainThread" in told.files["nodes/1/threads-and-tasks.txt"]
    (listed,) = (await node.http.get(BUNDLE)).json()
    assert (listed["state"], listed["progress"]) == ("done", 1.0)


async def test_one_moment_alone_is_told(node: Served) -> None:
    for interval, notes in (("1", []), ("2", ["taken once: the duration of 1 s is shorter than"])):
        params = {"duration": "1", "interval": interval, "profiles": "false"}
        started = await node.http.post(BUNDLE, params=params)
        told = started.json()["notes"]
        assert len(told) == len(notes)
        assert all(part in note for part, note in zip(notes, told, strict=True))
        await fetched(node, started.headers["location"])


async def test_of_three_nodes_of_which_one_is_gone_and_one_frozen(cluster: Cluster) -> None:
    cluster.peers.down, cluster.peers.frozen = {2}, {3}
    told = await bundle_of(cluster.first, profiles="false")
    assert told.index["nodes"] == [1, 2, 3]
    assert told.index["absent"] == [2, 3]
    assert told.entry("status.json", 2)["error"] == "Node 2 is not reachable."
    assert "has not answered within 2 s" in told.entry("status.json", 3)["error"]
    assert b"silent_node" in told.files["doctor-start.json"]
    assert "nodes/1/config.toml" in told.files


async def test_of_chosen_nodes_from_any_node(cluster: Cluster) -> None:
    told = await bundle_of(cluster.nodes[2], nodes="3,1", profiles="false")
    assert told.index["nodes"] == [1, 3]
    assert b'"state":"Learner"' in told.files["nodes/3/status.json"].replace(b" ", b"")
    assert not [name for name in told.files if name.startswith("nodes/2/")]


@pytest.mark.parametrize(
    "query",
    ["nodes=9", "nodes=x", "nodes=", "duration=0", "duration=601", "interval=nan", "profiles=x", "a=1"],
)
async def test_bad_parameters(node: Served, query: str) -> None:
    assert (await node.http.post(f"{BUNDLE}?{query}")).status_code == 400
    assert (await node.http.get(BUNDLE)).json() == []


async def test_one_at_a_time_and_it_can_be_ended(node: Served) -> None:
    first = await node.http.post(BUNDLE, params={"duration": "600", "interval": "600", "profiles": "false"})
    second = await node.http.post(BUNDLE, params=QUICK)
    assert (second.status_code, first.json()["id"] in second.text) == (409, True)
    progress = await node.http.get(first.headers["location"])
    assert (progress.status_code, progress.json()["state"]) == (202, "running")
    assert (await node.http.delete(first.headers["location"])).status_code == 200
    assert (await node.http.get(first.headers["location"])).status_code == 404
    await until_async(lambda: not [task for task in asyncio.all_tasks() if "bundle" in task.get_name()])


async def test_it_is_closed_to_other_machines(node: Served) -> None:
    async with node.from_elsewhere() as http:
        for method, path in (
            ("POST", BUNDLE),
            ("GET", BUNDLE),
            ("GET", f"{BUNDLE}/x"),
            ("DELETE", f"{BUNDLE}/x"),
        ):
            assert (await http.request(method, path)).status_code == 403
        allowed = await http.get(BUNDLE, headers={"Authorization": f"Bearer {TOKEN}"})
        assert allowed.status_code == 200
