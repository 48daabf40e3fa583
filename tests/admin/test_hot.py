"""What is hot, of a node that is kept busy over real HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.admin.members import Cluster
from tests.admin.served import Served

pytestmark = pytest.mark.anyio

HOT, CPU = "/debug/hot", "/debug/pprof/profile"
BUSY = "GET /v1/metrics"


@contextlib.asynccontextmanager
async def busy(node: Served) -> AsyncIterator[None]:
    """Somebody asks for metrics all the time."""

    async def ask() -> None:
        while True:
            await node.http.get("/v1/metrics")

    asking = [asyncio.create_task(ask()) for _ in range(2)]
    try:
        yield
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_an_idle_node_says_so(node: Served) -> None:
    await node.http.get(HOT, params={"interval": "100ms"})
    response = await node.http.get(HOT, params={"interval": "100ms"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text.startswith("Node 1: ")
    assert "0 requests in flight" in response.text


async def test_a_busy_node_names_requests_and_stacks(node: Served) -> None:
    async with busy(node):
        response = await node.http.get(HOT, params={"interval": "1s"})
    assert BUSY in response.text
    assert "Requests: share of the samples" in response.text
    assert "% of the samples" in response.text
    assert HOT not in response.text


@pytest.mark.parametrize("interval", ["", "0ms", "99ms", "11s", "-1s", "1", "1 s", "nan", "1e3ms", "1S"])
async def test_a_bad_interval_is_400(node: Served, interval: str) -> None:
    response = await node.http.get(HOT, params={"interval": interval})
    assert response.status_code == 400
    assert "500ms" in response.text


async def test_while_a_profile_runs_it_is_409(node: Served) -> None:
    started = await node.http.post("/debug/profiles", params={"kind": "heap", "seconds": "60"})
    assert (await node.http.get(HOT)).status_code == 409
    await node.http.delete(f"/debug/profiles/{started.json()['id']}")


async def test_another_node_s(cluster: Cluster) -> None:
    response = await cluster.first.http.get(HOT, params={"interval": "100ms", "node": "2"})
    assert response.text.startswith("Node 2: ")


async def test_who_is_elsewhere_needs_the_token(node: Served) -> None:
    async with node.from_elsewhere() as http:
        assert (await http.get(HOT)).status_code == 403


async def test_a_profile_by_request_and_the_same_kept_as_labels(node: Served) -> None:
    params = {"seconds": "1", "by": "request", "format": "folded", "frequency": "250"}
    async with busy(node):
        response = await node.http.get(CPU, params=params)
    assert response.headers["x-profile-engine"] == "inprocess"
    roots = {line.partition(";")[0] for line in response.text.splitlines()}
    assert f"request: {BUSY}" in roots
    assert all(root.startswith(("request: ", "[no request]")) for root in roots)
    kept = f"/debug/profiles/{response.headers['x-profile-id']}"
    plain = await node.http.get(kept, params={"format": "folded"})
    assert "request: " not in plain.text
    assert "[no request]" not in plain.text
    again = await node.http.get(kept, params={"format": "folded", "by": "request"})
    assert f"request: {BUSY};" in again.text


@pytest.mark.parametrize("params", [{"engine": "py-spy"}, {"mode": "gil"}, {"native": "true"}])
async def test_only_the_sampler_inside_knows_requests(node: Served, params: dict[str, str]) -> None:
    response = await node.http.get(CPU, params={"by": "request", **params})
    assert response.status_code == 400
    assert "by=request" in response.text
    brought = await node.http.post("/debug/profiles", content=b"a 1\n")
    kept = await node.http.get(f"/debug/profiles/{brought.json()['id']}", params={"by": "request"})
    assert kept.status_code == 400
