from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from diag.admin import errors, health
from diag.admin.checks import Check, node_checks
from diag.errors import Damaged
from diag.metrics.lag import LoopLag
from tests.admin.served import Served
from tests.metrics.conftest import StillLog


def probe(*checks: Check) -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.include_router(health.router(checks))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node")


async def good() -> None:
    """All is well."""


async def bad() -> str:
    return "the reason"


GOOD = Check("good", good)
BAD = Check("bad", bad)


@pytest.mark.anyio
async def test_without_checks_a_node_is_ready() -> None:
    async with probe() as http:
        response = await http.get("/readyz")
    assert (response.status_code, response.text) == (200, "ok\n")


@pytest.mark.anyio
async def test_health_is_byte_for_byte_upstream_s() -> None:
    async with probe(BAD) as http:
        response = await http.get("/v1/health")
        assert response.content == b'{"status":"pass"}'
        assert (await http.get("/livez")).status_code == 200


@pytest.mark.anyio
async def test_a_failed_check_is_503_and_says_which_and_why() -> None:
    async with probe(GOOD, BAD) as http:
        response = await http.get("/readyz")
        assert response.status_code == 503
        assert response.text == "[-]bad failed: the reason\nnot ready: 1 of 2 checks failed\n"
        verbose = await http.get("/readyz?verbose")
        assert verbose.status_code == 503
        assert verbose.text.startswith("[+]good ok\n[-]bad failed")


@pytest.mark.anyio
async def test_an_excluded_check_does_not_count() -> None:
    async with probe(GOOD, BAD) as http:
        assert (await http.get("/readyz?exclude=bad")).status_code == 200
        both = await http.get("/readyz?verbose&exclude=bad&exclude=good")
        assert both.text == "[+]good excluded\n[+]bad excluded\nready\n"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("exclude=bda", "did you mean 'bad'?"),
        ("exclude=", "There is no check ''"),
        ("verbos", "did you mean 'verbose'?"),
        ("verbose=maybe", "must be true or false"),
    ],
)
async def test_a_bad_probe_is_400(query: str, says: str) -> None:
    async with probe(GOOD, BAD) as http:
        response = await http.get(f"/readyz?{query}")
    assert response.status_code == 400
    assert says in response.text


@pytest.mark.anyio
async def test_a_real_node_is_ready(node: Served) -> None:
    await node.put("a", b"1")
    response = await node.http.get("/readyz?verbose")
    assert response.status_code == 200, response.text
    for name in ("store_readable", "has_leader", "write_path", "disk_space", "loop_lag"):
        assert f"[+]{name} ok" in response.text


@pytest.mark.anyio
async def test_checks_of_a_broken_node_name_their_reasons(tmp_path: Path) -> None:
    def unreadable() -> object:
        raise Damaged("The store is damaged.")

    log = StillLog()
    log.state = "Candidate"
    checks = node_checks(log, LoopLag(), tmp_path / "absent", unreadable)
    found = {check.name: reason for check in checks if (reason := await check.run()) is not None}
    assert found["store_readable"] == "The store is damaged."
    assert "Candidate" in found["has_leader"]
    assert "absent" in found["disk_space"]
    assert set(found) == {"store_readable", "has_leader", "disk_space"}
