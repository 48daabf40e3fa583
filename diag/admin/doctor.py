"""``/debug/doctor``: findings in words. This node asks all others what they know, and looks at what came."""

import time
from typing import Final, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError

from diag.admin import queries
from diag.admin.methods import READ
from diag.admin.relay import PARAMETERS, Relay, question_of
from diag.doctor.facts import Cluster, NodeFacts, Offset
from diag.doctor.finding import Report
from diag.doctor.rules import examine
from diag.doctor.self_report import SelfReport
from diag.errors import MetaError, Unavailable
from diag.replication import NodeAddress, Question

#: Seconds within which another node says what it knows; one that is frozen holds the rest no longer.
HEARD_SECONDS: Final = 1.8

_FACTS: Final = "/debug/doctor/facts"
_FRESH = {"Cache-Control": "no-store"}


class _Told(NamedTuple):
    facts: NodeFacts
    offset: Offset


def router(relay: Relay, own: SelfReport) -> APIRouter:
    """Two routes: the report of all nodes, and what one node says of itself."""
    routes = APIRouter()

    @routes.api_route("/debug/doctor", methods=READ)
    async def doctor(request: Request) -> Response:
        params = queries.only(request, ["format", *PARAMETERS])
        target = relay.one(request, params)
        if target is not None:
            return await relay.pass_on(request, target, 2 * HEARD_SECONDS)
        form = queries.one_of("format", params.get("format") or _accepted(request), ["json", "text"])
        found = await _report(relay, request, own)
        if form == "json":
            return JSONResponse(found.as_dict(), headers=_FRESH)
        return PlainTextResponse(found.text(), headers=_FRESH)

    @routes.api_route(_FACTS, methods=READ)
    async def facts(request: Request) -> Response:
        target = relay.one(request, queries.only(request, PARAMETERS))
        if target is not None:
            return await relay.pass_on(request, target, HEARD_SECONDS)
        return Response((await own.take()).model_dump_json(), media_type="application/json", headers=_FRESH)

    return routes


def _accepted(request: Request) -> str:
    return "json" if "application/json" in request.headers.get("accept", "") else "text"


async def _report(relay: Relay, request: Request, own: SelfReport) -> Report:
    async def here() -> _Told:
        return _Told(await own.take(), Offset(0.0, 0.0))

    async def there(node: NodeAddress) -> _Told:
        return await _heard(relay, node, question_of(request)._replace(path=_FACTS))

    nodes: dict[int, NodeFacts] = {}
    silent: dict[int, str] = {}
    offsets: dict[int, Offset] = {}
    for node, told in await relay.everyone(here, there):
        if isinstance(told, MetaError):
            silent[node.node_id] = str(told)
        else:
            nodes[node.node_id], offsets[node.node_id] = told
    # The rules take well under a millisecond a node.
    return examine(Cluster(relay.own(), nodes, silent, offsets))


async def _heard(relay: Relay, node: NodeAddress, question: Question) -> _Told:
    """Its facts, and its clock against ours: it was read at some time between the question and the answer."""
    asked = time.time()
    heard = await relay.hear(node, question, HEARD_SECONDS)
    answered = time.time()
    try:
        facts = NodeFacts.model_validate_json(heard.content)
    except ValidationError as error:
        raise Unavailable(
            f"It does not say of itself what a node of this version does: {error.error_count()} faults, the "
            f"first at {'.'.join(map(str, error.errors()[0]['loc'])) or 'its beginning'}."
        ) from None
    now = facts.now_ms / 1000
    return _Told(facts, Offset(now - answered, now - asked))
