"""``/v1/ctrl`` and ``/v1/features``: GET routes that change state, because the contract has them so."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from diag.admin import queries, views
from diag.admin.background import Background
from diag.admin.guard import Guard
from diag.admin.methods import READ
from diag.errors import InvalidRequest, MetaError, NotInTime
from diag.kv.commands import FeaturesAre, SetFeature
from diag.replication import OrderedLog, SnapshotFacts

#: Longest ``?wait=`` in seconds.
MAX_WAIT = 600.0

_log = logging.getLogger(__name__)


def router(
    log: OrderedLog,
    guard: Guard,
    background: Background,
    features: Callable[[], Sequence[str]],
    known_features: Sequence[str],
) -> APIRouter:
    """``features`` reads the enabled ones; ``known_features`` is what can be enabled."""
    routes = APIRouter()
    guarded = [Depends(guard)]

    @routes.get("/v1/ctrl/trigger_snapshot", dependencies=guarded)
    async def trigger_snapshot(request: Request) -> JSONResponse:
        params = queries.only(request, ["wait"])
        wait = queries.number("wait", params["wait"], 0.001, MAX_WAIT) if "wait" in params else None
        task = background.spawn(_snapshot(log), name="snapshot")
        if wait is None:
            return JSONResponse(None)
        return JSONResponse(_held(log, await _within(task, wait)))

    @routes.get("/v1/ctrl/trigger_transfer_leader", dependencies=guarded)
    async def trigger_transfer_leader(request: Request) -> JSONResponse:
        params = queries.only(request, ["to"])
        to = queries.whole("to", params["to"]) if "to" in params else None
        transfer = await log.transfer_leader(to)
        return JSONResponse({"from": transfer.origin, "to": transfer.to, "voter_ids": transfer.voters})

    @routes.api_route("/v1/features/list", methods=READ)
    async def list_features() -> JSONResponse:
        return JSONResponse({"features": list(known_features), "enabled": sorted(features())})

    @routes.get("/v1/features/set", dependencies=guarded)
    async def set_feature(request: Request) -> JSONResponse:
        command = _feature_command(queries.only(request, ["feature", "enable"]), known_features)
        reply = await log.propose(command)
        enabled = reply.enabled if isinstance(reply, FeaturesAre) else features()
        return JSONResponse({"features": list(known_features), "enabled": sorted(enabled)})

    return routes


async def _snapshot(log: OrderedLog) -> SnapshotFacts:
    try:
        return await log.snapshot()
    except MetaError as error:
        _log.warning("The snapshot asked for over HTTP failed: %s", error)
        raise


async def _within(task: asyncio.Task[SnapshotFacts], wait: float) -> SnapshotFacts:
    done, _ = await asyncio.wait([task], timeout=wait)
    if not done:
        raise NotInTime(f"The snapshot is still being written after {wait:g} s; it goes on, ask again.")
    return task.result()


def _held(log: OrderedLog, facts: SnapshotFacts) -> dict[str, Any]:
    this = log.status().node
    return {"nodes": [{"id": this.node_id, "name": this.name, "snapshot": views.snapshot(facts)}]}


def _feature_command(params: dict[str, str], known: Sequence[str]) -> SetFeature:
    feature, enable = params.get("feature"), params.get("enable")
    if not feature or enable not in {"true", "false"}:
        raise InvalidRequest(
            "'feature' and 'enable' query parameters are required: "
            f"feature is one of {', '.join(known)}, enable is true or false."
        )
    if feature not in known:
        raise queries.unknown_name("feature", feature, known)
    return SetFeature(feature, enable == "true")
