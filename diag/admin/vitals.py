"""``/debug/vitals`` and ``/debug/history``: how a node is now, and how it was in the last hour."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from diag.admin import queries
from diag.admin.methods import READ
from diag.admin.relay import PARAMETERS, SOON, Relay
from diag.admin.views import Views
from diag.metrics.history import History, Point
from diag.replication import OrderedLog

_FRESH = {"Cache-Control": "no-store"}

#: Gives what ``/debug/vitals`` tells.
Vitals = Callable[[], dict[str, Any]]


def vitals_of(log: OrderedLog, views: Views, history: History, changes: Callable[[], int]) -> Vitals:
    """The node's status, and its figures of the last ten seconds: null before there are any.

    ``profiles`` is another word whenever its list of profiles has changed; ``changes`` counts those of
    this run.
    """
    began = time.time()

    def now() -> dict[str, Any]:
        last = history.last()
        return {
            "status": views.status(log.status()),
            "figures": last._asdict() if last else None,
            "profiles": f"{began:.0f}-{changes()}",
        }

    return now


def router(vitals: Vitals, history: History, relay: Relay) -> APIRouter:
    """Both are at hand: nothing is measured for the caller."""
    routes = APIRouter()

    @routes.api_route("/debug/vitals", methods=READ)
    async def now(request: Request) -> Response:
        target = relay.one(request, queries.only(request, PARAMETERS))
        if target is not None:
            return await relay.pass_on(request, target, SOON)
        return JSONResponse(vitals(), headers=_FRESH)

    @routes.api_route("/debug/history", methods=READ)
    async def hour(request: Request) -> Response:
        target = relay.one(request, queries.only(request, PARAMETERS))
        if target is not None:
            return await relay.pass_on(request, target, SOON)
        return JSONResponse(told(history), headers=_FRESH)

    return routes


def told(history: History) -> dict[str, Any]:
    """Seconds between two points, and a list of values for each field of ``Point``."""
    columns = zip(*history.points(), strict=True) if history.points() else ([] for _ in Point._fields)
    return {"step": history.step, "points": dict(zip(Point._fields, map(list, columns), strict=True))}


def points_of(content: Mapping[str, Any]) -> tuple[Sequence[Point], float]:
    """The points and their step again, of another node's answer. Raises ValueError for what is none."""
    try:
        columns = [content["points"][name] for name in Point._fields]
        return [Point(*row) for row in zip(*columns, strict=True)], float(content["step"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is no history ({error!r})") from None
