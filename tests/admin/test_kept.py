"""Profiles that were taken, over real HTTP: listed, fetched in every format, compared."""

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import flamegraph
from tests.admin.members import Cluster
from tests.admin.served import TOKEN, Served, serving
from tests.limits import files_up_to

pytestmark = pytest.mark.anyio

CPU, KEPT = "/debug/pprof/profile", "/debug/profiles"
SHORT = {"seconds": "0.2", "engine": "inprocess", "mode": "wall"}


async def bring(node: Served, folded: bytes, **params: str) -> str:
    response = await node.http.post(KEPT, params=params, content=folded)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def ids(node: Served, /, **params: str) -> list[str]:
    return [one["id"] for one in (await node.http.get(KEPT, params=params)).json()]


async def test_a_node_that_took_none_keeps_none(node: Served) -> None:
    response = await node.http.get(KEPT)
    assert response.status_code == 200
    assert response.json() == []
    assert (await node.http.head(KEPT)).status_code == 200
    for path in (f"{KEPT}/before", f"{KEPT}/before/diff/after"):
        absent = await node.http.get(path)
        assert absent.status_code == 404
        assert "/debug/profiles" in absent.text


@pytest.mark.parametrize(
    ("route", "params", "kind"),
    [
        (CPU, {"engine": "inprocess"}, "cpu"),
        (CPU, {"engine": "py-spy"}, "cpu"),
        ("/debug/pprof/heap", {}, "heap"),
        ("/debug/mem/pprof/profile", {"mode": "temporary"}, "heap"),
        ("/debug/pprof/trace", {}, "trace"),
        ("/debug/pprof/trace", {"renderer": "flameprof"}, "trace"),
    ],
)
async def test_every_profile_is_kept_with_its_account(
    node: Served, route: str, params: dict[str, str], kind: str
) -> None:
    taken = await node.http.get(route, params={"seconds": "0.3", "format": "folded", **params})
    id_ = taken.headers["x-profile-id"]
    assert id_ in taken.headers["x-profile-notes"]
    [about] = (await node.http.get(KEPT)).json()
    assert about["id"] == id_
    assert (about["kind"], about["state"], about["node_id"], about["nodes"]) == (kind, "kept", 1, [1])
    assert about["engine"] == taken.headers["x-profile-engine"]
    assert about["unit"] == taken.headers["x-profile-unit"]
    assert about["samples"] == int(taken.headers["x-profile-samples"])
    assert about["version"]
    assert about["bytes"] > 0
    assert about["load"]["requests"] >= 0
    assert about["load"]["cpu_seconds"] >= 0
    again = await node.http.get(f"{KEPT}/{id_}", params={"format": "folded"})
    assert sorted(again.content.splitlines()) == sorted(taken.content.splitlines())
    assert again.headers["x-profile-engine"] == about["engine"]


async def test_a_picture_names_its_profile(node: Served) -> None:
    response = await node.http.get(CPU, params={**SHORT, "name": "before-upgrade"})
    id_ = response.headers["x-profile-id"]
    assert f"Kept as before-upgrade: /debug/profiles/{id_}." in response.text
    kept = await node.http.get(f"{KEPT}/before-upgrade")
    assert kept.headers["content-type"] == "image/svg+xml"
    assert kept.headers["x-profile-id"] == id_
    assert f"Kept profile before-upgrade {id_}" in kept.text


async def test_a_kept_profile_in_every_format(node: Served) -> None:
    id_ = await bring(node, b"main 1\nmain;work 3\n", name="mine")
    got = {
        form: await node.http.get(f"{KEPT}/{id_}", params={"format": form})
        for form in ("svg", "html", "folded", "pprof", "speedscope", "zip", "json")
    }
    assert {response.status_code for response in got.values()} == {200}
    assert {response.headers["x-profile-id"] for response in got.values()} == {id_}
    assert ElementTree.fromstring(got["svg"].content).tag.endswith("svg")
    assert got["html"].text.startswith("<!DOCTYPE html>")
    assert got["folded"].text == "main 1\nmain;work 3\n"
    for form in ("pprof", "speedscope"):
        assert flamegraph.read(io.BytesIO(got[form].content)).total == 4
    assert "mine.pb.gz" in got["pprof"].headers["content-disposition"]
    assert "node1.svg" in zipfile.ZipFile(io.BytesIO(got["zip"].content)).namelist()
    assert got["json"].json()["name"] == "mine"


async def test_what_a_client_accepts_decides_without_a_format(node: Served) -> None:
    id_ = await bring(node, b"main 1\n")
    path = f"{KEPT}/{id_}"
    for accept, content_type in (
        ("*/*", "image/svg+xml"),
        ("text/plain", "text/plain"),
        ("application/json", "application/json"),
        ("text/html,image/webp,*/*", "image/svg+xml"),
    ):
        response = await node.http.get(path, headers={"accept": accept})
        assert response.headers["content-type"].startswith(content_type)
    go = node.http.build_request("GET", path, headers={"user-agent": "Go-http-client/1.1"})
    del go.headers["accept"]
    response = await node.http.send(go)
    assert flamegraph.read(io.BytesIO(response.content)).total == 1


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (KEPT, {"kind": "gpu"}),
        (KEPT, {"name": "../x"}),
        (KEPT, {"nme": "x"}),
        (f"{KEPT}/before", {"format": "png"}),
        (f"{KEPT}/-x", {}),
        (f"{KEPT}/%2e%2e", {}),
        (f"{KEPT}/a%00b", {}),
        (f"{KEPT}/a/diff/b", {"format": "pprof"}),
        (f"{KEPT}/a/diff/..%5cb", {}),
    ],
)
async def test_a_bad_question_is_400(node: Served, path: str, params: dict[str, str]) -> None:
    response = await node.http.get(path, params=params)
    assert response.status_code == 400, response.text


async def test_a_path_in_the_place_of_a_name_leads_nowhere(node: Served) -> None:
    for path in (f"{KEPT}/..%2f..%2fstore", f"{KEPT}/../../etc/passwd", f"{KEPT}//etc/passwd"):
        assert (await node.http.get(path)).status_code == 404


async def test_the_list_by_kind_and_by_name(node: Served) -> None:
    first = await bring(node, b"a 1\n", name="first")
    second = await bring(node, b"a 1\n", unit="bytes")
    assert await ids(node) == [second, first]
    assert await ids(node, kind="cpu") == [first]
    assert await ids(node, kind="heap") == [second]
    assert await ids(node, kind="trace") == []
    assert await ids(node, name="first") == [first]
    assert await ids(node, name="other") == []


async def test_two_profiles_compared(node: Served) -> None:
    await bring(node, b"main;slow 50\nmain;other 50\n", name="before")
    after = await bring(node, b"main;slow 90\nmain;other 10\n", name="after")
    path = f"{KEPT}/before/diff/{after}"
    picture = await node.http.get(path)
    assert picture.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(picture.content).tag.endswith("svg")
    assert "after compared to before" in picture.text
    text = await node.http.get(path, params={"format": "text"})
    assert "slow" in text.text
    told = (await node.http.get(path, headers={"accept": "application/json"})).json()
    assert told["base"]["name"] == "before"
    assert told["new"]["id"] == after
    growth = {one["name"]: one["new"] - one["base"] for one in told["functions"]}
    assert growth == pytest.approx({"slow": 0.4, "other": -0.4})
    page = await node.http.get(path, params={"format": "html"})
    assert page.text.startswith("<!DOCTYPE html>")


async def test_profiles_of_two_units_are_not_compared(node: Served) -> None:
    await bring(node, b"a 1\n", name="samples")
    await bring(node, b"a 1\n", name="bytes", unit="bytes")
    response = await node.http.get(f"{KEPT}/samples/diff/bytes")
    assert response.status_code == 400
    assert "one unit" in response.text


async def test_profiles_of_two_modes_are_not_compared(node: Served) -> None:
    for mode in ("cpu", "wall"):
        await node.http.get(CPU, params={"seconds": "0.2", "mode": mode, "name": mode})
    response = await node.http.get(f"{KEPT}/cpu/diff/wall")
    assert response.status_code == 400
    assert "cpu is of mode cpu and wall of mode wall; compare profiles of one mode" in response.text
    await bring(node, b"a 1\n", name="brought")
    assert (await node.http.get(f"{KEPT}/cpu/diff/brought")).status_code == 200


async def test_empty_profiles_can_be_compared(node: Served) -> None:
    await bring(node, b"\n", name="empty")
    for form in ("svg", "text", "json", "html"):
        response = await node.http.get(f"{KEPT}/empty/diff/empty", params={"format": form})
        assert response.status_code == 200, response.text


async def test_a_name_in_use_is_409_before_anything_is_profiled(node: Served) -> None:
    await bring(node, b"a 1\n", name="taken")
    response = await node.http.get(CPU, params={"seconds": "100", "name": "taken"})
    assert response.status_code == 409
    assert "taken" in response.text
    assert (await node.http.get(CPU, params={**SHORT, "name": "no/name"})).status_code == 400


async def test_a_damaged_profile_is_told_and_the_others_are_there(node: Served, tmp_path: Path) -> None:
    good, bad = await bring(node, b"a 1\n"), await bring(node, b"a 1\n")
    (tmp_path / "profiles" / f"{bad}.pb.gz").write_bytes(b"junk")
    listed = {one["id"]: one for one in (await node.http.get(KEPT)).json()}
    assert listed[bad]["state"] == "damaged"
    assert listed[good]["state"] == "kept"
    for path in (f"{KEPT}/{bad}", f"{KEPT}/{good}/diff/{bad}"):
        response = await node.http.get(path)
        assert response.status_code == 500
        assert bad in response.text
        assert "Delete it" in response.text
    assert (await node.http.get(f"{KEPT}/{good}")).status_code == 200
    assert (await node.http.delete(f"{KEPT}/{bad}")).status_code == 200
    assert await ids(node) == [good]


async def test_a_profile_without_room_is_answered_all_the_same(node: Served) -> None:
    with files_up_to(64):
        response = await node.http.get(CPU, params={**SHORT, "format": "svg"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/svg+xml"
    assert "x-profile-id" not in response.headers
    assert "free space" in response.headers["x-profile-not-kept"]
    assert "Not kept" in response.text
    assert await ids(node) == []


@pytest.fixture
async def forgetful(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, keep_count=0) as served:
        yield served


async def test_a_node_that_shall_keep_none_says_so(forgetful: Served) -> None:
    response = await forgetful.http.get(CPU, params=SHORT)
    assert response.status_code == 200
    assert "keep_count" in response.headers["x-profile-not-kept"]
    assert (await forgetful.http.post(KEPT, content=b"a 1\n")).status_code == 507


async def test_who_is_elsewhere_needs_the_token(node: Served) -> None:
    id_ = await bring(node, b"a 1\n", name="mine")
    async with node.from_elsewhere() as http:
        for path in (KEPT, f"{KEPT}/{id_}", f"{KEPT}/mine/diff/mine"):
            assert (await http.get(path)).status_code == 403
            allowed = await http.get(path, headers={"authorization": f"Bearer {TOKEN}"})
            assert allowed.status_code == 200
        assert (await http.post(KEPT, content=b"a 1\n")).status_code == 403
        assert (await http.post(f"{KEPT}/mine", params={"name": "x"})).status_code == 403
        assert (await http.delete(f"{KEPT}/mine")).status_code == 403


async def test_another_node_s_profiles_through_this_one(cluster: Cluster) -> None:
    first, second = cluster.first, cluster.nodes[2]
    id_ = await bring(second, b"main;theirs 1\n", name="theirs")
    await bring(second, b"main;theirs 2\n", name="later")
    assert await ids(first) == []
    assert id_ in await ids(first, node="2")
    picture = await first.http.get(f"{KEPT}/theirs", params={"node": "2"})
    assert picture.headers["x-profile-id"] == id_
    text = await first.http.get(f"{KEPT}/theirs/diff/later", params={"node": "2", "format": "text"})
    assert text.status_code == 200
    every = (await first.http.get(KEPT, params={"node": "all", "name": "theirs"})).json()
    assert [(node["id"], [one["id"] for one in node["profiles"]]) for node in every] == [
        (1, []),
        (2, [id_]),
        (3, []),
    ]
    assert (await first.http.get(f"{KEPT}/theirs", params={"node": "all"})).status_code == 400


async def test_a_profile_is_compared_with_one_of_another_node(cluster: Cluster) -> None:
    first, second = cluster.first, cluster.nodes[2]
    ours = await bring(first, b"main;slow 50\nmain;other 50\n", name="leader")
    theirs = await bring(second, b"main;slow 90\nmain;other 10\n", name="follower")
    compared = await first.http.get(f"{KEPT}/leader/diff/follower@2", params={"format": "json"})
    assert compared.status_code == 200, compared.text
    assert [compared.json()[side]["id"] for side in ("base", "new")] == [ours, theirs]
    assert [compared.json()[side]["node_id"] for side in ("base", "new")] == [1, 2]
    growth = {one["name"]: one["new"] - one["base"] for one in compared.json()["functions"]}
    assert growth == pytest.approx({"slow": 0.4, "other": -0.4})
    own = await first.http.get(f"{KEPT}/{theirs}@2/diff/leader@1", params={"format": "text"})
    assert own.status_code == 200
    for key, status, words in [
        ("follower", 404, "no kept profile follower"),
        ("follower@3", 404, "Node 3: There is no kept profile follower"),
        ("follower@9", 404, "no node 9"),
        ("follower@", 400, "names no node"),
        ("follower@x", 400, "node is 'x'"),
    ]:
        refused = await first.http.get(f"{KEPT}/leader/diff/{key}")
        assert (refused.status_code, words in refused.text) == (status, True), refused.text


async def test_a_profile_of_all_nodes_is_kept_by_whoever_was_asked(cluster: Cluster) -> None:
    params = {**SHORT, "node": "all", "format": "folded", "name": "all-of-them"}
    response = await cluster.first.http.get(CPU, params=params, timeout=60)
    id_ = response.headers["x-profile-id"]
    about = (await cluster.first.http.get(f"{KEPT}/{id_}", params={"format": "json"})).json()
    assert about["nodes"]
    assert about["node_id"] == 1
    again = await cluster.first.http.get(f"{KEPT}/all-of-them", params={"format": "folded"})
    assert sorted(json.dumps(line) for line in again.text.splitlines()) == sorted(
        json.dumps(line) for line in response.text.splitlines()
    )


async def test_a_frozen_node_holds_no_list_and_is_told(cluster: Cluster) -> None:
    cluster.peers.frozen = {3}
    response = await cluster.first.http.get(KEPT, params={"node": "all"})
    first, second, third = response.json()
    assert (first["profiles"], second["profiles"]) == ([], [])
    assert "has not answered within 3 s" in third["error"]
    assert "3: Node 3 has not answered" in response.headers["x-nodes-missing"]


@pytest.mark.parametrize(
    "path",
    [f"{KEPT}?node=3", f"{KEPT}/x?node=3", f"{KEPT}/own/diff/x@3", f"{CPU}?seconds=1&node=3"],
)
async def test_whoever_needs_a_frozen_node_is_refused_soon(cluster: Cluster, path: str) -> None:
    cluster.peers.frozen = {3}
    await bring(cluster.first, b"a;b 1\n", name="own")
    refused = await cluster.first.http.get(path)
    assert refused.status_code == 504
    assert re.fullmatch(r"Node 3 has not answered within [23] s; is it stopped or cut off\?\n", refused.text)
