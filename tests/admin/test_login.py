"""Sessions of browsers: log in, act, be refused, log out."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from diag.admin.guard import Guard
from diag.admin.sessions import LIFE, MOST, Sessions
from diag.admin.tokens import TokensFile
from diag.tries import Tries
from tests.admin.keyed import EXPIRED, TOKENS, bearer, keyed, tokens_file
from tests.admin.served import TOKEN, Served, serving

pytestmark = pytest.mark.anyio

SNAPSHOT, LISTING = "/v1/ctrl/trigger_snapshot", "/debug/profiles"


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Served]:
    async with keyed(tmp_path) as served:
        yield served


def own(node: Served) -> dict[str, str]:
    """What a browser sends with a form of the node's own page."""
    return {"origin": f"http://127.0.0.1:{node.port}", "sec-fetch-site": "same-origin"}


async def log_in(node: Served, word: str, **form: str) -> httpx.Response:
    return await node.http.post("/login", data={"token": TOKENS[word], **form}, headers=own(node))


async def test_nobody_is_logged_in_at_first(closed: Served) -> None:
    told = (await closed.http.get("/v1/whoami")).json()
    assert told == {"name": "anonymous", "role": None, "how": "anonymous"}


@pytest.mark.parametrize("sent", ["Bearer wrong", "Bearer", "Basic eDp5"])
async def test_a_wrong_token_is_not_anonymous(closed: Served, sent: str) -> None:
    response = await closed.http.get("/v1/whoami", headers={"authorization": sent})
    assert (response.status_code, "not one of this node's" in response.text) == (401, True)


async def test_a_token_becomes_a_cookie_that_no_script_reads_and_no_other_site_sends(closed: Served) -> None:
    response = await log_in(closed, "profile")
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers["set-cookie"]
    assert TOKENS["profile"] not in cookie
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", f"max-age={int(LIFE)}"} == attributes
    assert cookie.startswith(f"metadiag-{closed.port}="), "two nodes of a machine do not take each other's"
    told = (await closed.http.get("/v1/whoami")).json()
    assert told == {"name": "profileer", "role": "profile", "how": "session"}
    assert (await closed.http.get(LISTING)).status_code == 200
    refused = await closed.http.get(SNAPSHOT, headers=own(closed))
    assert (refused.status_code, "needs the role admin" in refused.text) == (403, True)


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("/debug/profiles?kind=cpu", "/debug/profiles?kind=cpu"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("", "/"),
    ],
)
async def test_a_login_leads_to_a_place_of_this_node_alone(closed: Served, to: str, location: str) -> None:
    assert (await log_in(closed, "read", next=to)).headers["location"] == location


async def test_a_person_is_led_to_the_login_and_a_program_is_told(closed: Served) -> None:
    page = await closed.http.get("/debug/profiles?kind=cpu", headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["location"]) == (
        303,
        "/login?next=%2Fdebug%2Fprofiles%3Fkind%3Dcpu",
    )
    form = await closed.http.get(page.headers["location"])
    assert 'name="next" value="/debug/profiles?kind=cpu"' in form.text
    assert "form-action 'self'" in form.headers["content-security-policy"]
    assert "unsafe" not in form.headers["content-security-policy"]
    assert (await closed.http.get("/debug/profiles", headers={"accept": "*/*"})).status_code == 401
    part = {"accept": "text/html", "sec-fetch-dest": "iframe"}
    assert (await closed.http.get("/debug/profiles", headers=part)).status_code == 401


async def test_a_program_logs_in_by_json(closed: Served) -> None:
    response = await closed.http.post("/login", json={"token": TOKENS["read"]})
    assert response.json() == {"name": "reader", "role": "read", "how": "session"}
    assert (await closed.http.get(LISTING)).status_code == 200


@pytest.mark.parametrize("token", ["", "mdt_wrong", EXPIRED, '"><script>alert(1)</script>'])
async def test_a_wrong_token_shows_the_form_again(closed: Served, token: str) -> None:
    response = await closed.http.post(
        "/login", data={"token": token, "next": '/"><script>'}, headers=own(closed)
    )
    assert response.status_code == 401
    assert "set-cookie" not in response.headers
    assert 'role="alert"' in response.text
    assert "<script" not in response.text


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"token": 1}', "application/json"),
        (b"token=" + b"x" * 20_000, "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_no_login_is_400(closed: Served, content: bytes, kind: str) -> None:
    response = await closed.http.post("/login", content=content, headers={"content-type": kind})
    assert response.status_code == 400


async def test_a_session_acts_for_this_node_s_own_pages_alone(closed: Served) -> None:
    await log_in(closed, "admin")
    host = f"127.0.0.1:{closed.port}"
    others: list[dict[str, str]] = [
        {},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": f"http://{host}.evil.example"},
        {"referer": "http://127.0.0.1:1/page"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": f"http://{host}"},
    ]
    for headers in others:
        for method, path in (
            ("GET", SNAPSHOT),
            ("POST", "/debug/profiles?kind=cpu"),
            ("DELETE", "/debug/profiles/x"),
        ):
            refused = await closed.http.request(method, path, headers=headers)
            assert (refused.status_code, headers) == (403, headers)
            assert "this node's own pages alone" in refused.text
    typed = {"sec-fetch-site": "none"}
    assert (await closed.http.post("/debug/profiles?kind=cpu", headers=typed)).status_code == 403
    assert closed.log.status().snapshot is None
    for headers in ({"referer": f"http://{host}/debug/home"}, typed, own(closed)):
        assert (await closed.http.get(f"{SNAPSHOT}?wait=10", headers=headers)).status_code == 200
    assert (await closed.http.delete("/debug/profiles/x", headers=own(closed))).status_code == 404


async def test_a_page_of_others_logs_nobody_in_or_out(closed: Served) -> None:
    for headers in ({"origin": "null"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        response = await closed.http.post("/login", data={"token": TOKENS["read"]}, headers=headers)
        assert (response.status_code, response.headers.get("set-cookie")) == (403, None)
    await log_in(closed, "read")
    assert (await closed.http.post("/logout", headers={"origin": "http://evil.example"})).status_code == 403
    assert (await closed.http.get(LISTING)).status_code == 200


async def test_a_logout_ends_the_session_and_not_only_the_cookie(closed: Served) -> None:
    await log_in(closed, "read")
    held = dict(closed.http.cookies)
    response = await closed.http.post("/logout", headers=own(closed))
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    assert dict(closed.http.cookies) == {}
    closed.http.cookies.update(held)
    assert (await closed.http.get(LISTING)).status_code == 401


async def test_a_session_goes_with_its_token(tmp_path: Path) -> None:
    async with keyed(tmp_path) as node:
        await log_in(node, "admin")
        path = tmp_path / "tokens.toml"
        path.write_text(path.read_text().replace('role = "admin"', 'role = "read"'))
        assert (await node.http.get(LISTING)).status_code == 200
        assert (await node.http.get(SNAPSHOT, headers=own(node))).status_code == 403
        path.write_text("")
        assert (await node.http.get(LISTING)).status_code == 401


async def test_a_cookie_that_was_made_up_opens_nothing(closed: Served) -> None:
    for value in ("x", "", "x" * 4000):
        cookie = {"cookie": f"other=1; metadiag-{closed.port}={value}; a"}
        assert (await closed.http.get(LISTING, headers=cookie)).status_code == 401


def test_sessions_end_by_themselves_and_are_no_more_than_fit() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    first = sessions.begin("digest")
    assert sessions.digest(first) == "digest"
    now = LIFE
    assert sessions.digest(first) is None
    oldest, *_, newest = [sessions.begin(str(number)) for number in range(MOST + 1)]
    assert (sessions.digest(oldest), sessions.digest(newest)) == (None, str(MOST))


async def test_ten_thousand_failed_logins_are_answered_slowed_down_and_forgotten(tmp_path: Path) -> None:
    now = 0.0
    tries = Tries(lambda: now)
    guard = Guard(tokens=TokensFile(tokens_file(tmp_path)), tries=tries)
    async with serving(tmp_path, guard=guard) as node:
        transport = httpx.ASGITransport(node.app, client=("10.0.0.9", 1))
        looked_at = 0
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as http:
            for number in range(10_000):
                response = await http.post("/login", json={"token": f"mdt_{number}"})
                looked_at += response.status_code == 401
                assert response.status_code in {401, 429}
            assert looked_at == 5
            assert int(response.headers["retry-after"]) >= 1
            assert (await http.get(LISTING, headers=bearer(TOKENS["read"]))).status_code == 429
            now += 61
            assert (await http.get(LISTING, headers=bearer(TOKENS["read"]))).status_code == 200
        assert len(tries) == 1
        assert (await node.http.get(LISTING, headers=bearer(TOKENS["read"]))).status_code == 200, (
            "others do not wait"
        )


async def test_a_session_outlasts_the_failures_of_others_at_its_address(closed: Served) -> None:
    await log_in(closed, "read")
    for number in range(10):
        await closed.http.get(LISTING, headers=bearer(f"mdt_{number}"))
    assert (await closed.http.get(LISTING)).status_code == 200


async def test_the_one_token_of_a_node_without_a_tokens_file_logs_in_too(node: Served) -> None:
    async with node.from_elsewhere() as http:
        response = await http.post("/login", json={"token": TOKEN})
        assert response.json() == {"name": "the admin token", "role": "admin", "how": "session"}
        assert (await http.get(LISTING)).status_code == 200


async def test_there_is_nothing_to_log_in_with_where_there_is_no_token(tmp_path: Path) -> None:
    async with serving(tmp_path, guard=Guard()) as node:
        response = await node.http.post("/login", json={"token": "x"})
        assert (response.status_code, "has no tokens" in response.text) == (409, True)
        assert (await node.http.get("/v1/whoami")).json()["how"] == "loopback"
