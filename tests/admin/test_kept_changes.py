"""Profiles brought, started in the background, named and forgotten, over real HTTP."""

import asyncio
import gzip
import io
import sys
import zlib
from pathlib import Path

import httpx
import pytest

import flamegraph
from diag.admin.kept_changes import MOST_BROUGHT
from tests.admin.members import Cluster
from tests.admin.served import Served
from tests.polling import until_async

pytestmark = pytest.mark.anyio

KEPT = "/debug/profiles"
START = {"kind": "cpu", "engine": "inprocess", "mode": "wall"}


def profile_as(form: str) -> bytes:
    file = io.BytesIO()
    flamegraph.write(flamegraph.read(io.BytesIO(b"main;work 3\nmain 1\n")), file, form)
    return file.getvalue()


async def start(node: Served, /, **params: str) -> httpx.Response:
    return await node.http.post(KEPT, params={**START, **params})


async def ended(node: Served, key: str) -> httpx.Response:
    """The profile, once it is no longer on its way."""
    answers: list[httpx.Response] = []

    async def poll() -> None:
        while not answers or answers[-1].status_code == 202:
            answers.append(await node.http.get(f"{KEPT}/{key}", params={"format": "json"}))

    await poll()
    return answers[-1]


async def test_an_empty_body_without_a_kind_is_told_what_to_send(node: Served) -> None:
    response = await node.http.post(KEPT)
    assert response.status_code == 400
    assert "kind=cpu|heap|trace" in response.text


@pytest.mark.parametrize(
    "content",
    [
        b"main;work 3\nmain 1\n",
        gzip.compress(b"main;work 3\nmain 1\n", mtime=0),
        profile_as("pprof"),
        profile_as("speedscope"),
        b'process 1:"x";thread (0x1): MainThread;main (a.py:1) 4\n',
    ],
)
async def test_a_profile_of_any_format_is_known_by_its_content(node: Served, content: bytes) -> None:
    response = await node.http.post(KEPT, params={"name": "theirs"}, content=content)
    assert response.status_code == 201, response.text
    about = response.json()
    assert response.headers["location"] == f"{KEPT}/{about['id']}"
    assert response.headers["x-profile-id"] == about["id"]
    assert (about["name"], about["engine"], about["nodes"]) == ("theirs", "elsewhere", [])
    kept = await node.http.get(f"{KEPT}/theirs", params={"format": "pprof"})
    assert flamegraph.read(io.BytesIO(kept.content)).total == 4


@pytest.mark.parametrize(
    "content", [b"\0\1\2\3", b"<svg/>", gzip.compress(b"x" * 1000, mtime=0)[:50], b"no profile at all\n"]
)
async def test_what_is_no_profile_is_400_and_not_kept(node: Served, content: bytes) -> None:
    response = await node.http.post(KEPT, content=content)
    assert response.status_code == 400
    assert response.text.count("\n") == 1
    assert "Traceback" not in response.text
    assert (await node.http.get(KEPT)).json() == []


async def test_a_cpu_profile_that_was_fetched_and_brought_again_is_comparable(node: Served) -> None:
    calm = await ended(node, (await start(node, seconds="0.3", name="calm")).json()["id"])
    fetched = await node.http.get(f"{KEPT}/calm", params={"format": "pprof"})
    theirs = (await node.http.post(KEPT, params={"name": "theirs"}, content=fetched.content)).json()
    assert {key: theirs[key] for key in ("kind", "unit", "samples", "labels")} == {
        key: calm.json()[key] for key in ("kind", "unit", "samples", "labels")
    }
    compared = await node.http.get(f"{KEPT}/calm/diff/theirs")
    assert compared.status_code == 200, compared.text


async def test_a_profile_too_large_is_413(node: Served) -> None:
    response = await node.http.post(KEPT, content=b"m" * (MOST_BROUGHT + 1))
    assert response.status_code == 413
    assert "gzip" in response.text


async def test_one_is_started_and_fetched_later(node: Served) -> None:
    response = await start(node, seconds="0.5", name="later")
    assert response.status_code == 202, response.text
    about = response.json()
    assert (about["state"], about["name"], about["seconds"]) == ("running", "later", 0.5)
    assert response.headers["location"] == f"{KEPT}/{about['id']}"
    progress = await node.http.get(f"{KEPT}/later")
    assert progress.status_code == 202
    assert int(progress.headers["retry-after"]) >= 1
    assert progress.json()["state"] == "running"
    assert [one["state"] for one in (await node.http.get(KEPT)).json()] == ["running"]
    kept = await ended(node, about["id"])
    assert kept.status_code == 200
    assert (kept.json()["state"], kept.json()["id"]) == ("kept", about["id"])
    assert (await node.http.get(f"{KEPT}/later")).headers["content-type"] == "image/svg+xml"
    assert [one["state"] for one in (await node.http.get(KEPT)).json()] == ["kept"]


async def test_a_client_that_goes_does_not_end_a_started_one(node: Served) -> None:
    async with httpx.AsyncClient(base_url=node.http.base_url) as other:
        id_ = (await other.post(KEPT, params={**START, "seconds": "0.5"})).json()["id"]
    assert (await ended(node, id_)).json()["state"] == "kept"


async def test_a_second_one_is_409_at_once(node: Served) -> None:
    id_ = (await start(node, seconds="60")).json()["id"]
    second = await start(node, seconds="1")
    assert second.status_code == 409
    assert int(second.headers["retry-after"]) >= 1
    assert len((await node.http.get(KEPT)).json()) == 1
    await node.http.delete(f"{KEPT}/{id_}")


async def test_a_running_one_is_ended_by_forgetting_it(node: Served) -> None:
    id_ = (await start(node, seconds="60", name="long")).json()["id"]
    assert node.lock.holder() is not None
    for change in (
        node.http.post(f"{KEPT}/long", params={"name": "other"}),
        node.http.post(KEPT, params={"name": "long"}, content=b"a 1\n"),
        node.http.get(f"{KEPT}/long/diff/long"),
    ):
        refused = await change
        assert refused.status_code == 409
        assert "running" in refused.text
    response = await node.http.delete(f"{KEPT}/long")
    assert response.json() == {"deleted": id_}
    await until_async(lambda: node.lock.holder() is None)
    assert (await node.http.get(KEPT)).json() == []
    assert (await node.http.get(f"{KEPT}/{id_}")).status_code == 404


async def test_one_that_fails_says_why_when_it_is_asked_for(node: Served) -> None:
    id_ = (await start(node, seconds="60", name="doomed")).json()["id"]
    await node.profilers.close()
    response = await ended(node, id_)
    assert response.status_code == 503
    assert "stopping" in response.text
    [about] = (await node.http.get(KEPT)).json()
    assert (about["state"], about["id"]) == ("failed", id_)
    assert (await node.http.post(KEPT, params={"name": "doomed"}, content=b"a 1\n")).status_code == 201
    assert (await node.http.delete(f"{KEPT}/{id_}")).status_code == 200


@pytest.mark.parametrize(
    "params",
    [
        {"kind": "gpu"},
        {"kind": "cpu", "seconds": "0"},
        {"kind": "cpu", "frequency": "often"},
        {"kind": "heap", "frequency": "9"},
        {"kind": "cpu", "name": "../x"},
        {"kind": "cpu", "format": "svg"},
    ],
)
async def test_a_bad_start_is_400(node: Served, params: dict[str, str]) -> None:
    response = await node.http.post(KEPT, params=params)
    assert response.status_code == 400
    assert node.lock.holder() is None


async def test_another_name(node: Served) -> None:
    id_ = (await node.http.post(KEPT, content=b"a 1\n")).json()["id"]
    (await node.http.post(KEPT, params={"name": "taken"}, content=b"a 1\n")).raise_for_status()
    named = await node.http.post(f"{KEPT}/{id_}", params={"name": "before-upgrade"})
    assert (named.status_code, named.json()["name"]) == (200, "before-upgrade")
    assert (await node.http.get(f"{KEPT}/before-upgrade")).headers["x-profile-id"] == id_
    assert (await node.http.post(f"{KEPT}/{id_}", params={"name": "taken"})).status_code == 409
    assert (await node.http.post(f"{KEPT}/{id_}", params={"name": "../x"})).status_code == 400
    assert (await node.http.post(f"{KEPT}/{id_}")).status_code == 400
    assert (await node.http.post(f"{KEPT}/nothing", params={"name": "x"})).status_code == 404


async def test_a_forgotten_one_is_gone(node: Served) -> None:
    id_ = (await node.http.post(KEPT, params={"name": "mine"}, content=b"a 1\n")).json()["id"]
    assert (await node.http.delete(f"{KEPT}/mine")).json() == {"deleted": id_}
    assert (await node.http.delete(f"{KEPT}/mine")).status_code == 404
    assert (await node.http.get(KEPT)).json() == []


async def test_a_get_changes_nothing(node: Served) -> None:
    for method in ("PUT", "PATCH"):
        assert (await node.http.request(method, KEPT)).status_code == 405
    assert (await node.http.delete(KEPT)).status_code == 405


async def test_changes_on_another_node(cluster: Cluster) -> None:
    first, second = cluster.first, cluster.nodes[2]
    started = await start(first, seconds="0.3", name="there", node="2")
    assert started.status_code == 202, started.text
    kept = await ended(second, started.json()["id"])
    assert kept.json()["node_id"] == 2
    named = await first.http.post(f"{KEPT}/there", params={"name": "renamed", "node": "2"})
    assert named.json()["name"] == "renamed"
    assert (await first.http.delete(f"{KEPT}/renamed", params={"node": "2"})).status_code == 200
    assert (await second.http.get(KEPT)).json() == []
    refused = await first.http.post(KEPT, params={"node": "2"}, content=b"a 1\n")
    assert refused.status_code == 400
    assert "to that node itself" in refused.text


async def test_a_capture_of_memray_is_kept_as_its_profile(node: Served, tmp_path: Path) -> None:
    capture = tmp_path / "capture.bin"
    program = f"import memray\nwith memray.Tracker({str(capture)!r}):\n    held = bytearray(1 << 22)\n"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await child.wait() == 0
    response = await node.http.post(KEPT, params={"name": "memory"}, content=capture.read_bytes())
    assert response.status_code == 201, response.text
    assert (response.json()["kind"], response.json()["unit"]) == ("heap", "bytes")
    kept = await node.http.get(f"{KEPT}/memory", params={"format": "folded"})
    assert sum(int(line.rpartition(" ")[2]) for line in kept.text.splitlines()) >= 1 << 22


async def test_gzip_of_a_thousand_times_its_size_is_read_away_from_the_node(node: Served) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    line = b"a" * (1 << 20)
    bomb = b"".join(packer.compress(line) for _ in range(60)) + packer.flush()
    response = await node.http.post(KEPT, content=bomb)
    assert response.status_code == 400, response.text
    assert (await node.http.get("/v1/health")).status_code == 200


async def test_one_on_its_way_is_cancelled_and_one_that_is_kept_is_not(node: Served) -> None:
    id_ = (await start(node, seconds="300", name="long")).json()["id"]
    assert node.lock.holder() is not None
    assert (await node.http.post(f"{KEPT}/long/cancel")).json() == {"cancelled": id_}
    assert node.lock.holder() is None
    kept = (await node.http.post(KEPT, params={"name": "kept"}, content=b"main 1\n")).json()["id"]
    for key in (kept, "kept"):
        refused = await node.http.post(f"{KEPT}/{key}/cancel")
        assert (refused.status_code, "not on its way" in refused.text) == (409, True)
    for key in (id_, "nothing"):
        refused = await node.http.post(f"{KEPT}/{key}/cancel")
        assert (refused.status_code, f"no kept profile {key}" in refused.text) == (404, True)
    assert [one["id"] for one in (await node.http.get(KEPT)).json()] == [kept]


async def test_one_of_another_node_is_cancelled(cluster: Cluster) -> None:
    params = {**START, "seconds": "300", "node": "2"}
    id_ = (await cluster.first.http.post(KEPT, params=params)).json()["id"]
    assert (await cluster.first.http.post(f"{KEPT}/{id_}/cancel")).status_code == 404
    assert (await cluster.first.http.post(f"{KEPT}/{id_}/cancel?node=2")).json() == {"cancelled": id_}
    assert cluster.nodes[2].lock.holder() is None


async def test_one_of_all_nodes_has_a_frame_for_each_that_delivers(cluster: Cluster) -> None:
    cluster.peers.down.add(3)
    response = await cluster.first.http.post(KEPT, params={**START, "seconds": "0.3", "node": "all"})
    assert response.status_code == 202
    about = (await ended(cluster.first, response.json()["id"])).json()
    assert 1 in about["nodes"]
    assert any(note.startswith("Node 3 is missing: ") for note in about["notes"])
    folded = await cluster.first.http.get(f"{KEPT}/{about['id']}?format=folded")
    assert {line.partition(";")[0] for line in folded.text.splitlines()} == {
        f"node {n}" for n in about["nodes"]
    }
    asked = [question.path for node_id, question in cluster.peers.asked if node_id == 2]
    assert any(path.startswith("/debug/pprof/profile?") and "kind=" not in path for path in asked)
    refused = await cluster.first.http.post(
        KEPT, params={"kind": "trace", "renderer": "flameprof", "node": "all"}
    )
    assert (refused.status_code, "renderer=flameprof draws one node" in refused.text) == (400, True)
