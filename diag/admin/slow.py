"""``/debug/slow``: the calls of clients that took long, and where their time went."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, ValidationError

from diag.admin import queries
from diag.admin.methods import READ
from diag.admin.relay import PARAMETERS, SOON, Everyone, Relay, missing_headers, question_of
from diag.errors import MetaError, Unavailable
from diag.metrics.slow import SlowRequest, SlowRequests
from diag.replication import NodeAddress

_FRESH = {"Cache-Control": "no-store"}


class SlowRow(BaseModel):
    """A slow request as it is told; ``stages`` has milliseconds by stage."""

    model_config = ConfigDict(frozen=True)

    node: int
    at: str
    method: str
    key: str
    ms: float
    stages: dict[str, float]
    request_id: str | None
    received: int
    error: str | None


class SlowTold(BaseModel):
    """What a node tells, newest first. ``threshold_ms`` None: it keeps none. ``total`` is since its start."""

    model_config = ConfigDict(frozen=True)

    threshold_ms: float | None
    total: int
    requests: list[SlowRow]


def router(slow: SlowRequests, relay: Relay) -> APIRouter:
    """``node=all`` puts those of all nodes in one list."""
    routes = APIRouter()

    @routes.api_route("/debug/slow", methods=READ)
    async def listing(request: Request) -> Response:
        params = queries.only(request, ["format", *PARAMETERS])
        target = relay.target(request, params)
        form = queries.one_of("format", params.get("format") or _accepted(request), ["json", "text"])
        if isinstance(target, Everyone):
            told, missing = await _everyone(request, relay, slow)
            return _answer(told, form, missing)
        if target is not None:
            return await relay.pass_on(request, target, SOON)
        return _answer(told_of(slow, relay.own()), form, [])

    return routes


def told_of(slow: SlowRequests, node_id: int) -> SlowTold:
    """What ``slow`` holds, as node ``node_id`` tells it."""
    threshold = slow.threshold_ms
    return SlowTold(
        threshold_ms=threshold,
        total=slow.total,
        requests=[_row(request, node_id) for request in slow.newest_first()],
    )


def _row(request: SlowRequest, node_id: int) -> SlowRow:
    at = datetime.fromtimestamp(request.at, UTC)
    return SlowRow(
        node=node_id,
        at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        method=request.method,
        key=request.key,
        ms=_ms(request.seconds),
        stages={name: _ms(seconds) for name, seconds in request.stages.items()},
        request_id=request.request_id,
        received=request.received,
        error=request.error,
    )


async def _everyone(
    request: Request, relay: Relay, slow: SlowRequests
) -> tuple[SlowTold, list[tuple[NodeAddress, MetaError]]]:
    async def here() -> SlowTold:
        return told_of(slow, relay.own())

    async def there(node: NodeAddress) -> SlowTold:
        heard = await relay.hear(node, question_of(request, format="json"), SOON)
        try:
            return SlowTold.model_validate_json(heard.content)
        except ValidationError:
            raise Unavailable("It does not tell of slow requests as this version does.") from None

    answers = await relay.everyone(here, there)
    told = [answer for _, answer in answers if isinstance(answer, SlowTold)]
    missing = [(node, answer) for node, answer in answers if isinstance(answer, MetaError)]
    rows = sorted((row for one in told for row in one.requests), key=lambda row: row.at, reverse=True)
    thresholds = [one.threshold_ms for one in told if one.threshold_ms is not None]
    total = sum(one.total for one in told)
    return SlowTold(threshold_ms=min(thresholds, default=None), total=total, requests=rows), missing


def _answer(told: SlowTold, form: str, missing: Sequence[tuple[NodeAddress, MetaError]]) -> Response:
    headers = _FRESH | missing_headers(missing)
    if form == "json":
        return JSONResponse(told.model_dump(), headers=headers)
    absent = [f"Node {node.node_id} is missing: {error}" for node, error in missing]
    return PlainTextResponse("\n".join([*_lines(told), *absent]) + "\n", headers=headers)


def _lines(told: SlowTold) -> Iterable[str]:
    if told.threshold_ms is None:
        yield "No slow requests are kept: [admin] slow_ms is 0."
        return
    yield (
        f"{told.total} requests took {told.threshold_ms:g} ms or more since the start; the last "
        f"{len(told.requests)}, newest first:"
    )
    yield from map(_line, told.requests)


def _line(row: SlowRow) -> str:
    stages = ", ".join(f"{name} {ms:g}" for name, ms in row.stages.items())
    words: Sequence[Any] = (
        row.at,
        f"node {row.node}",
        f"{row.ms:g} ms",
        row.method,
        ascii(row.key),
        f"({stages})" if stages else "",
        row.error or "",
        f"request {row.request_id}" if row.request_id else "",
    )
    return "  ".join(filter(None, words))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _accepted(request: Request) -> str:
    return "json" if "application/json" in request.headers.get("accept", "") else "text"
