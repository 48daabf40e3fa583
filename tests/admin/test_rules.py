"""Every route has a rule, every rule a route, and each role gets as far as the table says."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from diag.admin.roles import Role
from diag.admin.rules import RULES, Rule, rule_of
from tests.admin.keyed import EXPIRED, TOKENS, bearer, keyed
from tests.admin.served import Served, serving


def flat(routes: list[BaseRoute]) -> Iterator[BaseRoute]:
    """An included router stands among the routes as one."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from flat(inner.routes)


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Served]:
    async with keyed(tmp_path) as served:
        yield served


@pytest.mark.anyio
async def test_every_route_has_a_rule_and_every_rule_a_route(node: Served) -> None:
    routes = list(flat(node.app.routes))
    strangers = [route for route in routes if not isinstance(route, APIRoute)]
    assert strangers == [], "what is no APIRoute passes by the guard"
    served = {
        ("GET" if method == "HEAD" else method, route.path)
        for route in routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    ruled = [(rule.method, rule.path) for rule in RULES]
    assert served == set(ruled)
    assert len(ruled) == len(set(ruled)), "a route with two rules"


def test_what_acts_leaves_a_line_and_is_nobody_s_by_default() -> None:
    for rule in RULES:
        assert rule.audited == (rule.role is not None and rule.role > Role.READ), rule
    assert rule_of("HEAD", "/v1/health") == rule_of("GET", "/v1/health")
    assert rule_of("GET", "/none") is None


@pytest.mark.anyio
async def test_a_route_without_a_rule_is_closed_to_everybody(node: Served) -> None:
    @node.app.get("/debug/forgotten")
    async def forgotten() -> str:
        return "evidence"

    response = await node.http.get("/debug/forgotten")
    assert response.status_code == 403
    assert "GET /debug/forgotten has no rule" in response.text


def where(rule: Rule) -> str:
    """A path of the route, with a parameter that no route knows: who may come in gets a 400 for it."""
    path = re.sub("{[a-z_]+}", "nothing", rule.path)
    return f"{path}?no-such-parameter=1"


def is_in(status: int, rule: Rule) -> bool:
    """Whether the guard let the request in; a login without a token answers 401 of its own."""
    return status not in {401, 403, 429} or (rule.path == "/login" and status == 401)


async def asked(http: httpx.AsyncClient, rule: Rule, headers: dict[str, str]) -> int:
    return (await http.request(rule.method, where(rule), headers=headers)).status_code


@pytest.mark.anyio
async def test_every_role_on_every_route(closed: Served) -> None:
    applied = closed.log.status().last_applied
    for rule in RULES:
        if rule.role is None:
            assert is_in(await asked(closed.http, rule, {}), rule), rule
            continue
        for word, token in TOKENS.items():
            status = await asked(closed.http, rule, bearer(token))
            if Role[word.upper()] >= rule.role:
                assert is_in(status, rule), (rule, word)
            else:
                assert status == 403, (rule, word)
    assert closed.log.status().last_applied == applied


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sent",
    [{}, bearer("mdt_wrong"), bearer(EXPIRED), {"authorization": "Bearer"}, {"authorization": "Basic x"}],
)
async def test_no_wrong_and_expired_tokens_open_nothing_even_here(
    closed: Served, sent: dict[str, str]
) -> None:
    for rule in RULES:
        if rule.role is not None:
            response = await closed.http.request(rule.method, where(rule), headers=sent)
            assert response.status_code == 401, rule
            assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.anyio
async def test_a_refusal_names_the_role_that_is_needed_and_the_one_that_is_there(closed: Served) -> None:
    refused = await closed.http.delete("/debug/profiles/x", headers=bearer(TOKENS["profile"]))
    assert refused.text == "DELETE /debug/profiles/x needs the role admin; profileer has the role profile.\n"


@pytest.mark.anyio
async def test_without_a_tokens_file_this_machine_may_do_everything(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        for rule in RULES:
            assert is_in(await asked(node.http, rule, {}), rule), rule
        async with node.from_elsewhere() as elsewhere:
            for rule in RULES:
                is_open = rule.role is None or rule.contract
                assert (await asked(elsewhere, rule, {}) == 403) == (not is_open), rule
