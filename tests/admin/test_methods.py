"""Which methods a route answers: HEAD where a GET only reads, GET alone where it does something."""

import pytest

from tests.admin.served import Served

pytestmark = pytest.mark.anyio

READS = [
    "/v1/health",
    "/livez",
    "/readyz",
    "/readyz?verbose",
    "/v1/cluster/nodes",
    "/v1/cluster/status",
    "/v1/config",
    "/v1/metrics",
    "/v1/features/list",
    "/debug/home",
    "/debug/pprof/",
    "/debug/pprof",
    "/debug/pprof/threads",
]
ACTS = [
    "/v1/ctrl/trigger_snapshot",
    "/v1/ctrl/trigger_transfer_leader",
    "/v1/features/set?feature=dummy&enable=true",
    "/debug/pprof/profile",
    "/debug/pprof/heap",
    "/debug/mem/pprof/profile",
    "/debug/pprof/trace",
    "/debug/pprof/operation?name=export",
    "/debug/hot",
]


@pytest.mark.parametrize("path", READS)
async def test_head_is_get_without_its_body(node: Served, path: str) -> None:
    head, get = await node.http.head(path), await node.http.get(path)
    assert (head.status_code, get.status_code) == (200, 200)
    assert head.content == b""
    assert head.headers.keys() == get.headers.keys()
    assert int(head.headers["content-length"]) > 0
    assert head.headers["content-type"] == get.headers["content-type"]
    response = await node.http.post(path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_the_length_told_is_that_of_the_body(node: Served) -> None:
    head, get = await node.http.head("/v1/config"), await node.http.get("/v1/config")
    assert int(head.headers["content-length"]) == len(get.content)


async def test_the_status_of_a_head_is_that_of_the_get(node: Served) -> None:
    for path, status in (("/readyz?verbos", 400), ("/v1/nothing", 404)):
        assert (await node.http.head(path)).status_code == status
    async with node.from_elsewhere() as elsewhere:
        assert (await elsewhere.head("/debug/home")).status_code == 403


@pytest.mark.parametrize("path", ACTS)
async def test_what_does_something_does_it_for_a_get_alone(node: Served, path: str) -> None:
    applied = node.log.status().last_applied
    for method in ("HEAD", "POST"):
        response = await node.http.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, "GET")
    assert node.lock.holder() is None
    assert node.log.status().last_applied == applied
    assert node.log.status().snapshot is None


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/login", "GET, HEAD, POST"),
        ("/debug/profiles", "GET, HEAD, POST"),
        ("/debug/profiles/x", "DELETE, GET, HEAD, POST"),
        ("/debug/profiles/x/cancel", "POST"),
        ("/debug/bundle/x", "DELETE, GET, HEAD"),
    ],
)
async def test_what_a_path_answers_is_told_with_all_its_routes(node: Served, path: str, methods: str) -> None:
    refused = await node.http.put(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, methods)
    assert refused.text == f"{path} does not answer PUT; it answers {methods}.\n"
