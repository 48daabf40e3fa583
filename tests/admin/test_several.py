"""One flame graph of all nodes: real profiles taken at the same time, a frame of its own for each node."""

import asyncio
import io
import re
import time
import zipfile
from xml.etree import ElementTree

import pytest

from diag.admin.heartbeat import AWAKE_SECONDS
from diag.admin.several import Taken, combined
from diag.errors import Unavailable
from diag.profilers.capture import Capture
from tests.admin.members import ADDRESSES, Cluster
from tests.admin.served import Served
from tests.polling import until_async

CPU, TRACE, THREADS = (f"/debug/pprof/{name}" for name in ("profile", "trace", "threads"))
WALL = {"seconds": "0.5", "mode": "wall", "engine": "inprocess", "node": "all"}


def capture(folded: bytes, **changes: object) -> Capture:
    fields: dict[str, object] = {
        "folded": folded,
        "kind": "cpu",
        "unit": "samples",
        "engine": "py-spy",
        "mode": "cpu",
        "seconds": 5.0,
        "samples": 3,
    }
    return Capture(**{**fields, **changes})  # type: ignore[arg-type]


def test_nodes_without_samples_make_an_empty_profile() -> None:
    whole = combined(Taken({1: capture(b"", samples=0), 2: capture(b"", samples=0)}, []))
    assert (whole.folded, whole.samples, whole.notes) == (b"", 0, ())


def test_every_stack_stands_on_its_node() -> None:
    one = capture(b"main;work 3\n", rate_effective=90.0, notes=("Slow.",), errors=1)
    two = capture(b"main 1\nmain;rest 2", engine="inprocess", rate_effective=100.0, seconds=5.5)
    whole = combined(Taken({1: one, 2: two}, [(ADDRESSES[3], Unavailable("It is gone."))]))
    assert whole.folded == b"node 1;main;work 3\nnode 2;main 1\nnode 2;main;rest 2\n"
    assert (whole.engine, whole.seconds, whole.samples, whole.errors) == ("inprocess, py-spy", 5.5, 6, 1)
    assert whole.rate_effective == 95.0
    assert whole.notes == ("Node 3 is missing: It is gone.", "Node 1: Slow.")


@pytest.mark.anyio
async def test_all_of_one_node_is_that_node(node: Served) -> None:
    response = await node.http.get(CPU, params={**WALL, "format": "folded"})
    assert {line.partition(";")[0] for line in response.text.splitlines()} == {"node 1"}


@pytest.mark.anyio
async def test_a_profile_of_all_is_one_picture_with_a_frame_a_node(cluster: Cluster) -> None:
    response = await cluster.nodes[2].http.get(CPU, params={**WALL, "format": "folded"})
    assert response.status_code == 200, response.text
    assert {line.partition(";")[0] for line in response.text.splitlines()} == {"node 1", "node 2", "node 3"}
    assert int(response.headers["x-profile-samples"]) > 0
    picture = await cluster.first.http.get(CPU, params=WALL)
    assert picture.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(picture.content).tag.endswith("svg")
    assert "Wall clock of meta nodes 1, 2, 3" in picture.text
    assert "x-nodes-missing" not in picture.headers
    assert re.search(r'filename="cpu-wall-all-\d{8}T\d{6}Z\.svg"', picture.headers["content-disposition"])


@pytest.mark.anyio
async def test_all_nodes_are_profiled_at_the_same_time(cluster: Cluster) -> None:
    asking = asyncio.create_task(cluster.first.http.get(CPU, params={**WALL, "seconds": "60"}))
    await until_async(lambda: all(node.lock.holder() is not None for node in cluster.nodes.values()))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until_async(lambda: all(node.lock.holder() is None for node in cluster.nodes.values()))


@pytest.mark.anyio
async def test_what_a_node_did_not_deliver_is_told(cluster: Cluster) -> None:
    cluster.peers.down, cluster.peers.frozen = {2}, {3}
    began = time.monotonic()
    response = await cluster.first.http.get(CPU, params=WALL)
    assert time.monotonic() - began < 2 * AWAKE_SECONDS, "a frozen node holds nobody beyond the bound"
    assert response.status_code == 200
    missing = response.headers["x-nodes-missing"]
    assert "2: Node 2 is not reachable." in missing
    assert "3: Node 3 has not answered within 2 s" in missing
    assert "Node 2 is missing: Node 2 is not reachable." in response.text


@pytest.mark.anyio
async def test_the_refusal_of_the_only_node_is_the_answer(node: Served) -> None:
    busy = asyncio.create_task(node.http.get(CPU, params={"seconds": "60", "engine": "inprocess"}))
    await until_async(lambda: node.lock.holder() is not None)
    response = await node.http.get(CPU, params=WALL)
    assert response.status_code == 409
    assert response.text.startswith("One profile runs at a time")
    assert "retry-after" in response.headers
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)


@pytest.mark.anyio
async def test_the_wait_for_a_silent_node_is_no_load_of_the_profile(cluster: Cluster) -> None:
    cluster.peers.frozen = {3}
    first = cluster.first
    asking = asyncio.create_task(first.http.get(CPU, params={**WALL, "format": "folded"}))
    await until_async(lambda: first.lock.holder() is not None)
    await until_async(lambda: first.lock.holder() is None)
    first.metrics.req_success += 1_000_000
    response = await asking
    assert "3: Node 3 has not answered" in response.headers["x-nodes-missing"]
    about = await first.http.get(f"/debug/profiles/{response.headers['x-profile-id']}?format=json")
    load, seconds = about.json()["load"], about.json()["seconds"]
    assert load["requests"] < 1_000_000
    assert load["cpu_seconds"] is not None
    assert float(response.headers["x-profile-calls"]) == pytest.approx(load["requests"] / seconds, abs=0.1)


@pytest.mark.anyio
async def test_a_node_without_a_profile_of_its_own_tells_no_load(cluster: Cluster) -> None:
    busy = asyncio.create_task(cluster.first.http.get(CPU, params={"seconds": "60", "engine": "inprocess"}))
    await until_async(lambda: cluster.first.lock.holder() is not None)
    response = await cluster.first.http.get(CPU, params=WALL)
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    about = await cluster.first.http.get(f"/debug/profiles/{response.headers['x-profile-id']}?format=json")
    assert set(about.json()["load"].values()) == {None}


@pytest.mark.anyio
async def test_when_no_node_delivers_each_reason_is_told(cluster: Cluster) -> None:
    cluster.peers.down = {2, 3}
    busy = asyncio.create_task(cluster.first.http.get(CPU, params={"seconds": "60", "engine": "inprocess"}))
    await until_async(lambda: cluster.first.lock.holder() is not None)
    response = await cluster.first.http.get(CPU, params=WALL)
    assert response.status_code == 503
    assert response.text.startswith("No node delivered a profile. Node 1: ")
    assert "Node 3: Node 3 is not reachable." in response.text
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)


@pytest.mark.anyio
async def test_all_nodes_that_are_busy_answer_as_one_that_is(cluster: Cluster) -> None:
    busy = asyncio.create_task(cluster.first.http.get(CPU, params={**WALL, "seconds": "60"}))
    await until_async(lambda: all(node.lock.holder() is not None for node in cluster.nodes.values()))
    response = await cluster.nodes[2].http.get(CPU, params=WALL)
    assert response.status_code == 409, response.text
    assert response.text.startswith("Every node is busy with another profile. Node 1: One profile runs at")
    assert 1 <= int(response.headers["retry-after"]) <= 62
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)


@pytest.mark.anyio
async def test_a_zip_holds_each_node_s_own_picture(cluster: Cluster) -> None:
    cluster.peers.down = {3}
    response = await cluster.first.http.get(CPU, params={**WALL, "format": "zip"})
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"].startswith("attachment")
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert sorted(archive.namelist()) == [
        *("all.folded", "all.svg", "node1.folded", "node1.svg", "node2.folded", "node2.svg", "notes.txt")
    ]
    assert b"Wall clock of meta node 2<" in archive.read("node2.svg")
    assert not archive.read("node2.folded").startswith(b"node 2;")
    assert b"Node 3 is missing" in archive.read("notes.txt")


@pytest.mark.anyio
async def test_a_zip_of_one_node_is_its_own(cluster: Cluster) -> None:
    params = {**WALL, "node": "2", "format": "zip"}
    response = await cluster.first.http.get(CPU, params=params)
    names = zipfile.ZipFile(io.BytesIO(response.content)).namelist()
    assert sorted(names) == ["node2.folded", "node2.svg", "notes.txt"]


@pytest.mark.anyio
async def test_a_picture_that_cannot_be_joined_is_refused(cluster: Cluster) -> None:
    response = await cluster.first.http.get(TRACE, params={"renderer": "flameprof", "node": "all"})
    assert response.status_code == 400
    assert "flameprof draws one node" in response.text
    assert cluster.peers.asked == []


@pytest.mark.anyio
async def test_stacks_of_all_nodes(cluster: Cluster) -> None:
    cluster.peers.down = {3}
    text = await cluster.first.http.get(THREADS, params={"node": "all"})
    assert re.findall(r"^==== node (\d) ====$", text.text, re.MULTILINE) == ["1", "2", "3"]
    assert "not reachable" in text.headers["x-nodes-missing"]
    first, second, third = (
        await cluster.first.http.get(THREADS, params={"node": "all", "format": "json"})
    ).json()
    assert (first["id"], second["id"]) == (1, 2)
    assert {thread["name"] for thread in second["threads"]} >= {"MainThread"}
    assert third == {"id": 3, "name": "3", "error": "Node 3 is not reachable."}
    one = await cluster.first.http.get(THREADS, params={"node": "2"})
    assert one.headers["x-meta-node"] == "2"
