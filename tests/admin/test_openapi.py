"""The document tells of every route, and of exactly the parameters that the route takes."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diag.admin.openapi import TAKEN, is_api
from diag.admin.rules import RULES, Rule
from tests.admin.members import TwoOrMore
from tests.admin.served import Served, serving

pytestmark = pytest.mark.anyio

STRANGER = "qqqqzzzz"
#: Routes whose parameters depend on others: the document has all.
SEVERAL = {"POST /debug/profiles", "GET /debug/pprof/operation"}
#: Routes of the contract that look at no parameter.
LENIENT = {
    "GET /v1/health",
    "GET /livez",
    "GET /v1/config",
    "GET /v1/features/list",
    "POST /login",
    "POST /logout",
}
API = [rule for rule in RULES if is_api(rule)]


@pytest.fixture
async def member(tmp_path: Path) -> AsyncIterator[Served]:
    """A node that can change its members."""
    async with serving(tmp_path, membership=TwoOrMore()) as served:
        yield served


def route_of(rule: Rule) -> str:
    return f"{rule.method} {rule.path}"


async def test_every_route_is_told_with_its_role(node: Served) -> None:
    told = (await node.http.get("/openapi.json")).json()
    operations = {
        f"{method.upper()} {path}": operation["x-role"]
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    }
    assert operations == {route_of(rule): rule.role.word if rule.role else None for rule in API}
    assert TAKEN.keys() <= operations.keys()


@pytest.mark.parametrize("rule", [rule for rule in API if route_of(rule) not in LENIENT], ids=route_of)
async def test_a_route_takes_what_is_told_of_it(member: Served, rule: Rule) -> None:
    path = re.sub(r"\{\w+\}", "nothing", rule.path)
    refused = await member.http.request(rule.method, path, params={STRANGER: "1"})
    assert refused.status_code == 400
    assert STRANGER in refused.text
    known = re.search(r"known: (.*)\.$", refused.text.strip())
    taken = set(known[1].split(", ")) if known else set()
    told = set(TAKEN.get(route_of(rule), {}))
    if route_of(rule) in SEVERAL:
        assert taken <= told
    else:
        assert taken == told
