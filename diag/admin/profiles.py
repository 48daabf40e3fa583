"""``/debug/pprof``: one GET takes a profile of a node, or of all at once, and draws it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from diag.admin import every_thread, queries
from diag.admin.answers import answer, archived, form_of
from diag.admin.guard import Guard
from diag.admin.methods import READ
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.relay import PARAMETERS, SOON, Everyone, Relay, missing_headers, question_of
from diag.admin.several import MARGIN, Taken, combined, take
from diag.errors import InvalidRequest
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.requests import CpuRequest, HeapRequest, TraceRequest
from diag.replication import NodeAddress

R = TypeVar("R", CpuRequest, HeapRequest, TraceRequest)


def router(profilers: Profilers, relay: Relay, guard: Guard) -> APIRouter:
    """Every parameter is checked before anything starts; the client going away ends the profile."""
    routes = APIRouter(dependencies=[Depends(guard)])

    @routes.get("/debug/pprof/profile")
    async def cpu(request: Request) -> Response:
        return await _profile(request, relay, CpuRequest, profilers.cpu, "CPU profile")

    @routes.get("/debug/pprof/heap")
    @routes.get("/debug/mem/pprof/profile")
    async def heap(request: Request) -> Response:
        return await _profile(request, relay, HeapRequest, profilers.heap, "memory profile")

    @routes.get("/debug/pprof/trace")
    async def trace(request: Request) -> Response:
        return await _profile(request, relay, TraceRequest, profilers.trace, "call trace")

    @routes.api_route("/debug/pprof/threads", methods=READ)
    async def threads(request: Request) -> Response:
        return await _threads(request, relay, profilers)

    return routes


async def _profile(
    request: Request, relay: Relay, kind: type[R], take_one: Callable[[R, str], Awaitable[Capture]], what: str
) -> Response:
    params = queries.only(request, [*_parameters(kind), "format", *PARAMETERS])
    form = form_of(request, params.pop("format", None))
    target = relay.target(request, params)
    wanted = kind.parse(params)

    async def here() -> Capture:
        return await take_one(wanted, f"{what} for {_client(request)}")

    async def run() -> Response:
        if target is None:
            return await _of_one(await here(), form, relay.own())
        question = question_of(request, format="folded")
        return await _of_several(await take(relay, here, question, _KINDS[kind], wanted.seconds), form)

    if isinstance(target, NodeAddress):
        return await relay.pass_on(request, target, wanted.seconds + 2 * MARGIN)
    if target is not None:
        _refuse_foreign_pictures(wanted)
    return await while_present(request, run()) or Response(status_code=CLIENT_GONE)


def _refuse_foreign_pictures(wanted: CpuRequest | HeapRequest | TraceRequest) -> None:
    if isinstance(wanted, TraceRequest) and wanted.renderer == "flameprof":
        raise InvalidRequest("renderer=flameprof draws one node; with node=all leave it out, or name a node.")


async def _threads(request: Request, relay: Relay, profilers: Profilers) -> Response:
    params = queries.only(request, ["format", *PARAMETERS])
    form = queries.one_of("format", params.pop("format", _threads_form(request)), ["text", "json"])
    target = relay.target(request, params)
    if isinstance(target, Everyone):
        return await every_thread.answer(request, relay, profilers, form)
    if target is not None:
        return await relay.pass_on(request, target, SOON)
    dump = profilers.stacks()
    headers = {"Cache-Control": "no-store"}
    if form == "json":
        return JSONResponse(dump.as_dict(), headers=headers)
    return PlainTextResponse(dump.text(), headers=headers)


async def _of_one(capture: Capture, form: str, node_id: int) -> Response:
    if form == "zip":
        return await archived(capture, {node_id: capture})
    return await answer(capture, form, node_id)


async def _of_several(taken: Taken, form: str) -> Response:
    capture = combined(taken)
    if form == "zip":
        response = await archived(capture, taken.captures)
    else:
        response = await answer(capture, form, *taken.captures)
    response.headers.update(missing_headers(taken.missing))
    return response


_KINDS: Mapping[type[Any], str] = {CpuRequest: "cpu", HeapRequest: "heap", TraceRequest: "trace"}


def _client(request: Request) -> str:
    return request.client.host if request.client else "another node"


def _parameters(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _threads_form(request: Request) -> str:
    return "json" if "application/json" in request.headers.get("accept", "") else "text"
