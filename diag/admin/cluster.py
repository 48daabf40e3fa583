"""``/v1/cluster``, ``/v1/config`` and ``/v1/metrics``: what the nodes say about themselves to anyone."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry

from diag.admin import queries
from diag.admin.methods import READ
from diag.admin.relay import AT_HAND, PARAMETERS, SOON, Everyone, Relay, missing_headers, question_of
from diag.admin.views import Views
from diag.errors import MetaError, Unavailable
from diag.metrics.exposition import OPENMETRICS_TYPE, exposition
from diag.metrics.merge import merge
from diag.replication import NodeAddress, OrderedLog

_FRESH = {"Cache-Control": "no-store"}


def router(
    log: OrderedLog,
    views: Views,
    registry: CollectorRegistry,
    config_text: Callable[[], str],
    relay: Relay,
) -> APIRouter:
    """Live state is read on the loop that changes it; ``?node=`` asks another node, or all of them."""
    routes = APIRouter()

    @routes.api_route("/v1/cluster/nodes", methods=READ)
    async def nodes(request: Request) -> Response:
        target = relay.one(request, queries.only(request, PARAMETERS))
        if target is not None:
            return await relay.pass_on(request, target, SOON)
        return _json(views.nodes(log.status()))

    @routes.api_route("/v1/cluster/status", methods=READ)
    async def status(request: Request) -> Response:
        async def here() -> dict[str, Any]:
            return views.status(log.status())

        async def all_nodes() -> Response:
            return await _every_status(relay, request, here)

        return await _of_whom(relay, request, all_nodes) or _json(await here())

    @routes.api_route("/v1/config", methods=READ)
    async def config(request: Request) -> Response:
        target = relay.one(request, queries.only(request, PARAMETERS))
        if target is not None:
            return await relay.pass_on(request, target, SOON)
        return PlainTextResponse(config_text(), headers=_FRESH)

    @routes.api_route("/v1/metrics", methods=READ)
    async def metrics(request: Request) -> Response:
        async def all_nodes() -> Response:
            return await _every_page(relay, request, registry)

        return await _of_whom(relay, request, all_nodes) or _page(*_own_page(request, registry))

    return routes


async def _of_whom(
    relay: Relay, request: Request, all_nodes: Callable[[], Awaitable[Response]]
) -> Response | None:
    """The answer of another node, or of all; None when this node is asked."""
    target = relay.target(request, queries.only(request, PARAMETERS))
    if target is None:
        return None
    if isinstance(target, Everyone):
        return await all_nodes()
    return await relay.pass_on(request, target, SOON)


async def _every_status(
    relay: Relay, request: Request, here: Callable[[], Awaitable[dict[str, Any]]]
) -> Response:
    async def there(node: NodeAddress) -> dict[str, Any]:
        heard = await relay.hear(node, question_of(request), AT_HAND)
        return _object(heard.content)

    results = await relay.everyone(here, there)
    return _json([_told(node, result) for node, result in results])


def _told(node: NodeAddress, result: Mapping[str, Any] | MetaError) -> Mapping[str, Any]:
    if isinstance(result, MetaError):
        return {"id": node.node_id, "name": node.name, "error": str(result)}
    return result


async def _every_page(relay: Relay, request: Request, registry: CollectorRegistry) -> Response:
    own, media_type = _own_page(request, registry)

    async def here() -> str:
        return own

    async def there(node: NodeAddress) -> str:
        heard = await relay.hear(node, question_of(request), AT_HAND)
        if heard.headers.get("content-type") != media_type:
            raise Unavailable(f"It sent {heard.headers.get('content-type')} instead of {media_type}.")
        return heard.content.decode("utf-8", "replace")

    results = await relay.everyone(here, there)
    missing = [(node, result) for node, result in results if isinstance(result, MetaError)]
    pages = {node.node_id: None if isinstance(result, MetaError) else result for node, result in results}
    merged = merge(pages, openmetrics=media_type == OPENMETRICS_TYPE)
    return _page(merged, media_type, missing_headers(missing))


def _own_page(request: Request, registry: CollectorRegistry) -> tuple[str, str]:
    content, media_type = exposition(registry, ",".join(request.headers.getlist("accept")))
    return content.decode(), media_type


def _page(content: str, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(content, headers={"Content-Type": media_type, **_FRESH, **(headers or {})})


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unavailable("Its answer is no status.")
    return value


def _json(content: Any) -> JSONResponse:
    return JSONResponse(content, headers=_FRESH)
