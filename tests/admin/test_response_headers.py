"""What every answer carries, whatever it is."""

import re

import pytest

from diag.admin.response_headers import HEADERS
from tests.admin.served import Served

pytestmark = pytest.mark.anyio

PATHS = (
    "/livez",
    "/debug/home",
    "/login",
    "/v1/cluster/status",
    "/debug/pprof/trace?seconds=0.1",
    "/none",
    "/failing",
)


async def test_all_answers_carry_them(node: Served) -> None:
    for path in PATHS:
        response = await node.http.get(path)
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS, path
        assert response.headers["content-security-policy"], path
        assert re.fullmatch(r"[0-9a-f]{16}", response.headers["x-request-id"])
    refused = await node.http.post("/debug/home", headers={"x-request-id": "mine"})
    assert (refused.status_code, refused.headers["x-request-id"]) == (405, "mine")


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', "<script>", "a;b"])
async def test_an_id_that_is_none_is_not_repeated(node: Served, given: str) -> None:
    response = await node.http.get("/livez", headers={"x-request-id": given})
    assert response.headers["x-request-id"] != given


async def test_an_unforeseen_failure_is_an_answer_like_others(
    node: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(node.log, "status", fails)
    async with node.from_elsewhere() as http:
        with pytest.raises(RuntimeError, match="planted"):
            await http.get("/v1/cluster/status")
    response = await node.http.get("/v1/cluster/status")
    assert response.status_code == 500
    assert "planted" not in response.text
    assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
    assert "x-request-id" in response.headers


async def test_a_page_keeps_the_policy_within_it(node: Served) -> None:
    page = await node.http.get("/debug/pprof/trace?seconds=0.1&format=html")
    assert (
        page.headers["content-security-policy"]
        == "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
    assert "script-src 'sha256-" in page.text
