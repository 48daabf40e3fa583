import asyncio
import socket
from pathlib import Path

import pytest
from fastapi import Request
from fastapi.routing import APIRoute

from diag.admin.guard import Guard
from diag.errors import Forbidden
from tests.admin.served import TOKEN, Served

LOCAL = ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1")
ELSEWHERE = ("10.0.0.9", "192.168.1.1", "fe80::1%eth0", "::ffff:10.0.0.9", "0.0.0.0", "", None, "localhost")
GUARDED = (
    "/debug/home",
    "/debug/pprof/",
    "/debug/pprof/profile",
    "/debug/pprof/heap",
    "/debug/mem/pprof/profile",
    "/debug/pprof/trace",
    "/debug/pprof/threads",
    "/v1/ctrl/trigger_snapshot",
    "/v1/ctrl/trigger_transfer_leader",
    "/v1/features/set?feature=dummy&enable=true",
)
OPEN = (
    "/v1/health",
    "/v1/config",
    "/v1/cluster/nodes",
    "/v1/cluster/status",
    "/v1/metrics",
    "/v1/features/list",
    "/livez",
    "/readyz",
)


def admit(guard: Guard, host: str | None, headers: dict[str, str]) -> None:
    """Ask for a route that is not open to everybody, from ``host``."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/debug/home",
        "route": APIRoute("/debug/home", lambda: None),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None if host is None else (host, 1),
    }
    asyncio.run(guard(Request(scope)))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_needs_no_token(host: str) -> None:
    admit(Guard(), host, {})


@pytest.mark.parametrize("host", ELSEWHERE)
def test_another_machine_is_refused_with_the_reason(host: str | None) -> None:
    with pytest.raises(Forbidden, match="not a loopback address"):
        admit(Guard(), host, {})


@pytest.mark.parametrize("host", [*LOCAL, *ELSEWHERE])
def test_the_token_opens_from_anywhere(host: str | None) -> None:
    admit(Guard("sesame"), host, bearer("sesame"))


@pytest.mark.parametrize(
    "given",
    ["", "Sesame", "sesame ~", "Bearer", "Basic sesame", "Bearer ", "Bearer wrong", "sesame"],
)
def test_anything_else_as_a_token_is_refused(given: str) -> None:
    with pytest.raises(Forbidden):
        admit(Guard("sesame"), "10.0.0.9", {"authorization": given})


def test_a_wrong_token_is_told_apart_from_none() -> None:
    with pytest.raises(Forbidden, match="token sent is not this node's"):
        admit(Guard("sesame"), "10.0.0.9", bearer("other"))


def test_without_a_configured_token_no_token_opens_and_the_remedy_is_named() -> None:
    with pytest.raises(Forbidden):
        admit(Guard(), "10.0.0.9", bearer(""))
    with pytest.raises(Forbidden, match=r"set \[admin\] token"):
        admit(Guard(), "10.0.0.9", {})


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_a_proxy_on_this_machine_does_not_lend_its_address(header: str) -> None:
    with pytest.raises(Forbidden, match="through a proxy"):
        admit(Guard(), "127.0.0.1", {header: "127.0.0.1"})
    with pytest.raises(Forbidden, match="not a loopback"):
        admit(Guard(), "10.0.0.9", {header: "127.0.0.1"})


def test_a_page_of_another_site_is_refused() -> None:
    with pytest.raises(Forbidden, match="another site"):
        admit(Guard(), "127.0.0.1", {"sec-fetch-site": "cross-site"})
    admit(Guard(), "127.0.0.1", {"sec-fetch-site": "same-origin"})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:28101", "127.0.0.1.evil.example"])
def test_a_borrowed_name_is_refused(host: str) -> None:
    with pytest.raises(Forbidden, match="under the name"):
        admit(Guard(), "127.0.0.1", {"host": host})


@pytest.mark.parametrize(
    "host", ["localhost:28101", "127.0.0.1:28101", "[::1]:28101", "meta.localhost", socket.gethostname()]
)
def test_names_of_this_machine_are_fine(host: str) -> None:
    admit(Guard(), "127.0.0.1", {"host": host})


def test_the_token_file_is_read_at_each_use(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    guard = Guard(token_file=file)
    admit(guard, "10.0.0.9", bearer("first"))
    file.write_text("second\n")
    admit(guard, "10.0.0.9", bearer("second"))
    with pytest.raises(Forbidden):
        admit(guard, "10.0.0.9", bearer("first"))


def test_a_missing_or_empty_token_file_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="cannot be read"):
        admit(Guard(token_file=tmp_path / "absent"), "10.0.0.9", bearer("x"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Forbidden):
        admit(Guard(token_file=tmp_path / "empty"), "10.0.0.9", bearer(""))


@pytest.mark.anyio
async def test_routes_that_look_inside_or_change_state_are_closed_to_others(node: Served) -> None:
    before = node.log.status().last_applied
    async with node.from_elsewhere() as client:
        for path in GUARDED:
            refused = await client.get(path)
            assert refused.status_code == 403, path
            assert "10.0.0.9 is not a loopback address" in refused.text
            wrong = await client.get(path, headers=bearer("wrong"))
            assert wrong.status_code == 403, path
            forwarded = await client.get(path, headers={"x-forwarded-for": "127.0.0.1"})
            assert forwarded.status_code == 403, path
    assert node.log.status().last_applied == before


@pytest.mark.anyio
async def test_reads_are_open_to_others(node: Served) -> None:
    async with node.from_elsewhere() as client:
        for path in OPEN:
            assert (await client.get(path)).status_code == 200, path


@pytest.mark.anyio
async def test_the_token_opens_them_to_others(node: Served) -> None:
    async with node.from_elsewhere() as client:
        assert (await client.get("/debug/pprof/threads", headers=bearer(TOKEN))).status_code == 200


@pytest.mark.anyio
async def test_a_forwarded_address_does_not_become_the_client_s_over_tcp(node: Served) -> None:
    refused = await node.http.get("/debug/home", headers={"x-forwarded-for": "127.0.0.1"})
    assert refused.status_code == 403
    assert "through a proxy" in refused.text


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    with pytest.raises(Forbidden, match="a page of"):
        admit(Guard(), "127.0.0.1", {"host": "127.0.0.1:28101", "origin": origin})
    admit(Guard(), "127.0.0.1", {"host": "127.0.0.1:28101", "origin": "http://127.0.0.1:28101"})
