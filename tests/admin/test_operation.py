"""Profiles of operations, from their start to their end, on a real node."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.admin.members import Cluster
from tests.admin.served import Served
from tests.polling import until_async

pytestmark = pytest.mark.anyio

OPERATION, KEPT = "/debug/pprof/operation", "/debug/profiles"


async def fill(node: Served, keys: int) -> None:
    await asyncio.gather(*(node.put(f"key/{number:06}", b"value" * 20) for number in range(keys)))


@pytest.mark.parametrize("name", ["snapshot", "import", "export"])
async def test_an_operation_of_an_empty_node(node: Served, name: str) -> None:
    response = await node.http.get(OPERATION, params={"name": name, "engine": "inprocess"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/svg+xml"
    assert f"This is the operation {name}" in response.headers["x-profile-notes"]
    assert node.lock.holder() is None


@pytest.mark.parametrize(
    ("name", "kind", "function"),
    [
        ("export", "cpu", "export_lines"),
        ("import", "cpu", "import_lines"),
        ("export", "heap", "export_lines"),
        ("import", "heap", "import_lines"),
    ],
)
async def test_the_profile_shows_the_operation(
    node: Served, tmp_path: Path, name: str, kind: str, function: str
) -> None:
    await fill(node, 4000)
    params = {"name": name, "kind": kind, "format": "folded"}
    if kind == "heap":
        params |= {"small_objects": "true", "mode": "allocations"}
    else:
        params |= {"frequency": "500"}  # the operation takes some ten milliseconds
    response = await node.http.get(OPERATION, params=params)
    assert response.status_code == 200, response.text
    assert function in response.text
    assert all(int(line.rpartition(" ")[2]) < 1 << 30 for line in response.text.splitlines())
    assert "The operation took" in response.headers["x-profile-notes"]
    assert float(response.headers["x-profile-seconds"]) < 60
    [about] = (await node.http.get(KEPT)).json()
    assert about["id"] == response.headers["x-profile-id"]
    assert about["kind"] == kind
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == [f"{about['id']}.pb.gz"]


async def test_a_snapshot_is_written_while_it_is_profiled(node: Served) -> None:
    await fill(node, 500)  # fewer than the node itself takes a snapshot after
    before = node.log.status()
    assert before.snapshot is None or before.snapshot.log_id != before.last_applied
    response = await node.http.get(OPERATION, params={"name": "snapshot", "kind": "heap"})
    assert "500 keys" in response.headers["x-profile-notes"]
    after = node.log.status()
    assert after.snapshot is not None
    assert after.snapshot.log_id == before.last_applied
    again = await node.http.get(OPERATION, params={"name": "snapshot", "engine": "inprocess"})
    assert "Nothing was written since" in again.headers["x-profile-notes"]


async def test_an_operation_longer_than_its_profile_is_ended(node: Served, tmp_path: Path) -> None:
    await fill(node, 30_000)
    params = {"name": "import", "engine": "inprocess", "at_most": "0.1"}
    response = await node.http.get(OPERATION, params=params)
    assert "was ended" in response.headers["x-profile-notes"]
    names = [path.name for path in (tmp_path / "profiles").iterdir()]
    assert not [name for name in names if name.startswith("scratch")]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": ""},
        {"name": "restore"},
        {"name": "snapshot", "kind": "trace"},
        {"name": "snapshot", "kind": "heap", "frequency": "99"},
        {"name": "snapshot", "at_most": "301"},
        {"name": "snapshot", "atmost": "1"},
        {"name": "snapshot", "format": "png"},
        {"name": "snapshot", "node": "all"},
    ],
)
async def test_a_bad_question_is_400(node: Served, params: dict[str, str]) -> None:
    response = await node.http.get(OPERATION, params=params)
    assert response.status_code == 400
    assert node.lock.holder() is None


async def test_seconds_are_refused_and_the_bound_is_named(node: Served) -> None:
    response = await node.http.get(OPERATION, params={"name": "snapshot", "seconds": "5"})
    assert response.status_code == 400
    assert response.text.startswith("seconds is not for this")
    assert "at_most" in response.text


async def test_while_a_profile_runs_it_is_409(node: Served, tmp_path: Path) -> None:
    started = await node.http.post(KEPT, params={"kind": "heap", "seconds": "60"})
    assert (await node.http.get(OPERATION, params={"name": "import"})).status_code == 409
    assert not [path for path in (tmp_path / "profiles").iterdir() if path.name.startswith("scratch")]
    await node.http.delete(f"{KEPT}/{started.json()['id']}")
    await until_async(lambda: node.lock.holder() is None)


async def test_another_node_s_operation(cluster: Cluster) -> None:
    params = {"name": "export", "engine": "inprocess", "node": "2", "format": "folded"}
    response = await cluster.first.http.get(OPERATION, params=params)
    assert response.status_code == 200, response.text
    kept = await cluster.nodes[2].http.get(KEPT)
    assert [one["id"] for one in kept.json()] == [response.headers["x-profile-id"]]


async def test_who_is_elsewhere_needs_the_token(node: Served) -> None:
    async with node.from_elsewhere() as http:
        assert (await http.get(OPERATION, params={"name": "snapshot"})).status_code == 403


async def test_the_list_has_it(node: Served) -> None:
    await node.http.get(OPERATION, params={"name": "export", "engine": "inprocess"})
    [about] = json.loads((await node.http.get(KEPT)).text)
    assert any("operation export" in note for note in about["notes"])
