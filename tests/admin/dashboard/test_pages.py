"""The pages as a client without a script gets them."""

import asyncio
import json
import re

import httpx
import pytest

from diag.admin.dashboard.site import POLICY
from diag.admin.relay import question_of_node
from diag.admin.tunnel import Tunnel
from tests.admin.members import Cluster
from tests.admin.served import Served
from tests.polling import until_async

pytestmark = pytest.mark.anyio

PAGES = ["/", "/debug/home"]
EVENTS = {"accept": "text/event-stream"}


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_has_nothing_inline_and_a_policy_without_exceptions(node: Served, path: str) -> None:
    response = await node.http.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://", response.text)
    assert re.findall(r"<script[^>]*>[^<]", response.text) == []


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_and_its_files_are_small(node: Served, path: str) -> None:
    for _ in range(360):
        node.history.look()
    page = await node.http.get(path)
    files = [await node.http.get(link) for link in assets(page.text)]
    assert len(files) == 3
    assert len(page.content) + sum(len(file.content) for file in files) < 150_000


async def test_files_have_their_types_and_are_kept(node: Served) -> None:
    types = {}
    for link in assets((await node.http.get("/")).text):
        response = await node.http.get(link)
        types[httpx.URL(link).path] = response.headers["content-type"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "immutable" in response.headers["cache-control"]
    assert types == {
        "/ui/assets/dashboard.css": "text/css; charset=utf-8",
        "/ui/assets/dashboard.js": "text/javascript; charset=utf-8",
        "/ui/assets/icon.svg": "image/svg+xml",
    }


@pytest.mark.parametrize("name", ["nothing.js", "..%2fsite.py", "%2e%2e", "dashboard.js%00", ".", "x" * 5000])
async def test_there_are_no_other_files(node: Served, name: str) -> None:
    assert (await node.http.get(f"/ui/assets/{name}")).status_code == 404


@pytest.mark.parametrize("path", [*PAGES, "/ui/charts", "/ui/events"])
async def test_the_pages_are_not_for_everybody(node: Served, path: str) -> None:
    async with node.from_elsewhere() as elsewhere:
        assert (await elsewhere.get(path)).status_code == 403


async def test_the_cluster_page_without_a_script(cluster: Cluster) -> None:
    await cluster.first.put("a", b"1")
    cluster.nodes[2].history.look()
    page = await page_that_says(cluster, "/?node=2", "All 3 nodes answer. Node 1 leads in term")
    assert re.findall(r'data-cell="state">(\w+)<', page) == ["Leader", "Follower", "Learner"]
    assert "Charts of node 2" in page
    assert page.count("<figure") == 6
    assert "Without a script this page shows the moment" in page


async def test_the_cluster_page_begins_before_the_nodes_have_answered(cluster: Cluster) -> None:
    cluster.peers.frozen.add(3)
    answer = await Tunnel(cluster.first.app)(question_of_node(1, "/"))
    begins, *rest = [part async for part in answer.body]
    assert b"/ui/assets/dashboard.css" in begins
    assert b"<h1>Cluster</h1>" in begins
    assert b"data-node=" not in begins
    assert b"".join(rest).count(b"data-node=") == 3


async def test_an_error_is_a_page(cluster: Cluster) -> None:
    response = await cluster.first.http.get("/?node=<b>7")
    assert response.status_code == 400
    assert "&lt;b&gt;7" in response.text
    assert "<b>7" not in response.text
    assert response.headers["content-security-policy"] == POLICY
    missing = await cluster.first.http.get("/?node=9")
    assert (missing.status_code, "its members are 1, 2, 3" in missing.text) == (404, True)


async def test_a_node_that_is_stuck_holds_up_no_page(cluster: Cluster) -> None:
    cluster.peers.frozen.add(3)
    page = await page_that_says(cluster, "/", "2 of 3 nodes answer; not 3.")
    assert re.findall(r'data-cell="state">([\w ]+)<', page)[2] == "Asking"
    assert "It has not answered yet." in page
    cluster.peers.down.add(2)
    page = await page_that_says(cluster, "/?node=2", "1 of 3 nodes answer; not 2 and 3.")
    assert "Node 2 is not reachable." in page


async def test_status_of_all_comes_within_the_bound_while_one_is_frozen(cluster: Cluster) -> None:
    cluster.peers.frozen.add(3)
    told = (await cluster.first.http.get("/v1/cluster/status?node=all")).json()
    assert [one["id"] for one in told if "within 0.9 s" in one.get("error", "")] == [3]


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"status": {"state": "<script>"}}', b"\xff" * 1000])
async def test_a_node_that_tells_nonsense_is_told_as_that(cluster: Cluster, answer: bytes) -> None:
    cluster.peers.lies[2] = answer
    page = await page_that_says(cluster, "/?node=2", "2 of 3 nodes answer; not 2.")
    assert "<script>" not in page.replace("<script defer", "")


async def test_events_tell_what_the_page_shows_and_end_with_the_server(cluster: Cluster) -> None:
    told: list[dict[str, object]] = []

    async def read() -> None:
        async with cluster.first.http.stream("GET", "/ui/events", headers=EVENTS) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                kind, _, data = line.partition(": ")
                told.extend([json.loads(data)] if kind == "data" and data else [])

    reading = asyncio.create_task(read())
    await until_async(
        lambda: told and str(told[-1]["headline"]).startswith("All 3 nodes answer. Node 1 leads in term 1.")
    )
    cluster.peers.down.add(2)
    await until_async(lambda: "not 2" in str(told[-1]["headline"]))
    await cluster.first.live.close()
    async with asyncio.timeout(10):
        await reading
    assert (await cluster.first.http.get("/ui/events")).status_code == 400
    refused = await cluster.first.http.get("/ui/events", headers=EVENTS)
    assert (refused.status_code, "stopping" in refused.text) == (503, True)


async def page_that_says(cluster: Cluster, path: str, text: str) -> str:
    """A node that is busy with other tests may be late once."""
    async with asyncio.timeout(30):
        while text not in (page := (await cluster.first.http.get(path)).text):
            pass
    return page


def assets(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/ui/assets/[^"]+)"', page)
