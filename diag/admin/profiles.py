"""``/debug/pprof``: one GET takes a profile of a node, or of all at once, keeps it and draws it."""

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from diag.admin import every_thread, queries
from diag.admin.answers import answer, archived, form_of
from diag.admin.draw import Renderer
from diag.admin.methods import READ
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.relay import PARAMETERS, SOON, Everyone, Relay, missing_headers, question_of
from diag.admin.several import MARGIN, Every, take
from diag.admin.taking import (
    REQUESTS,
    Taken,
    Watched,
    client_of,
    keep_after,
    parameters,
    refuse_foreign_pictures,
    take_one,
)
from diag.profilers.about import checked_name
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.profilers.lifelong import MODES
from diag.replication import NodeAddress


def router(profilers: Profilers, keeper: Keeper, relay: Relay, renderer: Renderer) -> APIRouter:
    """Every parameter is checked before anything starts; the client going away ends the profile."""
    routes = APIRouter()

    @routes.get("/debug/pprof/profile")
    async def cpu(request: Request) -> Response:
        return await _profile(request, "cpu", profilers, keeper, relay, renderer)

    @routes.get("/debug/pprof/heap")
    @routes.get("/debug/mem/pprof/profile")
    async def heap(request: Request) -> Response:
        return await _profile(request, "heap", profilers, keeper, relay, renderer)

    @routes.get("/debug/pprof/memory")
    async def memory(request: Request) -> Response:
        return await _memory(request, profilers, keeper, relay, renderer)

    @routes.get("/debug/pprof/trace")
    async def trace(request: Request) -> Response:
        return await _profile(request, "trace", profilers, keeper, relay, renderer)

    @routes.api_route("/debug/pprof/threads", methods=READ)
    async def threads(request: Request) -> Response:
        return await _threads(request, relay, profilers)

    return routes


async def _profile(
    request: Request, kind: str, profilers: Profilers, keeper: Keeper, relay: Relay, renderer: Renderer
) -> Response:
    params = queries.only(request, [*parameters(REQUESTS[kind]), "format", "name", *PARAMETERS])
    form = form_of(request, params.pop("format", None))
    name = checked_name(params.pop("name")) if "name" in params else None
    target = relay.target(request, params)
    wanted = REQUESTS[kind].parse(params)
    if isinstance(target, NodeAddress):
        return await relay.pass_on(request, target, wanted.seconds + 2 * MARGIN)
    if target is not None:
        refuse_foreign_pictures(wanted)
    await keeper.require_free(name)

    async def here() -> Capture:
        return await take_one(profilers, wanted, client_of(request))

    own = Watched(keeper, here)

    async def run() -> Response:
        if target is None:
            taken = await keep_after(keeper, own, name=name, nodes=lambda: (relay.own(),))
            return taken.mark(await _of_one(renderer, taken.capture, form, relay.own()))
        question = question_of(request, format="folded")
        every = Every(partial(take, relay, own.take, question, kind, wanted.seconds))
        taken = await keep_after(keeper, own, every.take, name=name, nodes=every.nodes)
        return await _of_every(renderer, every, taken, form)

    return await while_present(request, run()) or Response(status_code=CLIENT_GONE)


async def _memory(
    request: Request, profilers: Profilers, keeper: Keeper, relay: Relay, renderer: Renderer
) -> Response:
    params = queries.only(request, ["mode", "format", "name", *PARAMETERS])
    form = form_of(request, params.pop("format", None))
    name = checked_name(params.pop("name")) if "name" in params else None
    mode = queries.one_of("mode", params.pop("mode", MODES[0]), MODES)
    target = relay.one(request, params)
    if target is not None:
        return await relay.pass_on(request, target, 2 * MARGIN)
    await keeper.require_free(name)

    async def run() -> Response:
        taken = await keep_after(
            keeper, Watched(keeper, lambda: profilers.memory(mode)), name=name, nodes=lambda: (relay.own(),)
        )
        return taken.mark(await _of_one(renderer, taken.capture, form, relay.own()))

    return await while_present(request, run()) or Response(status_code=CLIENT_GONE)


async def _of_every(renderer: Renderer, every: Every, taken: Taken, form: str) -> Response:
    if form == "zip":
        response = await archived(renderer, taken.capture, every.parts.captures)
    else:
        response = await answer(renderer, taken.capture, form, *every.nodes())
    response.headers.update(missing_headers(every.parts.missing))
    return taken.mark(response)


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


async def _of_one(renderer: Renderer, capture: Capture, form: str, node_id: int) -> Response:
    if form == "zip":
        return await archived(renderer, capture, {node_id: capture})
    return await answer(renderer, capture, form, node_id)


def _threads_form(request: Request) -> str:
    return "json" if "application/json" in request.headers.get("accept", "") else "text"
