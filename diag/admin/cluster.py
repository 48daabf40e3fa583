"""``/v1/cluster``, ``/v1/config`` and ``/v1/metrics``: what the node says about itself to anyone."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry

from diag.admin.methods import READ
from diag.admin.views import Views
from diag.metrics.exposition import exposition
from diag.replication import OrderedLog


def router(
    log: OrderedLog, views: Views, registry: CollectorRegistry, config_text: Callable[[], str]
) -> APIRouter:
    """Handlers are coroutines without an await: they read live state on the loop that changes it."""
    routes = APIRouter()

    @routes.api_route("/v1/cluster/nodes", methods=READ)
    async def nodes() -> JSONResponse:
        return _json(views.nodes(log.status()))

    @routes.api_route("/v1/cluster/status", methods=READ)
    async def status() -> JSONResponse:
        return _json(views.status(log.status()))

    @routes.api_route("/v1/config", methods=READ)
    async def config() -> PlainTextResponse:
        return PlainTextResponse(config_text(), headers={"Cache-Control": "no-store"})

    @routes.api_route("/v1/metrics", methods=READ)
    async def metrics(request: Request) -> Response:
        accept = ",".join(request.headers.getlist("accept"))
        content, media_type = exposition(registry, accept)
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})

    return routes


def _json(content: Any) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})
