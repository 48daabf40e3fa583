"""``/debug/pprof``: one GET takes a profile of this process and answers with its flame graph."""

from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from diag.admin import queries
from diag.admin.answers import answer, form_of
from diag.admin.guard import Guard
from diag.admin.methods import READ
from diag.admin.presence import while_present
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.requests import CpuRequest, HeapRequest, TraceRequest
from diag.replication import OrderedLog

#: What servers say to themselves about a client that went away; nobody receives it.
CLIENT_GONE = 499

R = TypeVar("R", CpuRequest, HeapRequest, TraceRequest)


def router(profilers: Profilers, log: OrderedLog, guard: Guard) -> APIRouter:
    """Every parameter is checked before anything starts; the client going away ends the profile."""
    routes = APIRouter(dependencies=[Depends(guard)])

    async def profile(
        request: Request, kind: type[R], take: Callable[[R, str], Awaitable[Capture]], what: str
    ) -> Response:
        params = queries.only(request, [*_parameters(kind), "format"])
        form = form_of(request, params.pop("format", None))
        wanted = kind.parse(params)
        client = request.client.host if request.client else "a local socket"

        async def run() -> Response:
            capture = await take(wanted, f"{what} for {client}")
            return await answer(capture, form, log.status().node.node_id)

        return await while_present(request, run()) or Response(status_code=CLIENT_GONE)

    @routes.get("/debug/pprof/profile")
    async def cpu(request: Request) -> Response:
        return await profile(request, CpuRequest, profilers.cpu, "CPU profile")

    @routes.get("/debug/pprof/heap")
    @routes.get("/debug/mem/pprof/profile")
    async def heap(request: Request) -> Response:
        return await profile(request, HeapRequest, profilers.heap, "memory profile")

    @routes.get("/debug/pprof/trace")
    async def trace(request: Request) -> Response:
        return await profile(request, TraceRequest, profilers.trace, "call trace")

    @routes.api_route("/debug/pprof/threads", methods=READ)
    async def threads(request: Request) -> Response:
        params = queries.only(request, ["format"])
        form = queries.one_of("format", params.get("format", _threads_form(request)), ["text", "json"])
        dump = profilers.stacks()
        headers = {"Cache-Control": "no-store"}
        if form == "json":
            return JSONResponse(dump.as_dict(), headers=headers)
        return PlainTextResponse(dump.text(), headers=headers)

    return routes


def _parameters(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _threads_form(request: Request) -> str:
    return "json" if "application/json" in request.headers.get("accept", "") else "text"
