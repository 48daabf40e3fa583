"""``/v1/ctrl`` and ``/v1/features``: GET routes that change state, because the contract has them so."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from diag.admin import queries
from diag.admin.background import Background
from diag.admin.methods import READ
from diag.admin.relay import PARAMETERS, Everyone, Relay
from diag.admin.snapshots import held_everywhere
from diag.errors import InvalidRequest, MetaError
from diag.kv.commands import FeaturesAre, SetFeature
from diag.replication import OrderedLog, SnapshotFacts

#: Longest ``?wait=`` in seconds.
MAX_WAIT = 600.0

#: How long another node may take to hand over leadership.
TRANSFER_SECONDS = 15.0

_log = logging.getLogger(__name__)


def router(
    log: OrderedLog,
    background: Background,
    relay: Relay,
    features: Callable[[], Sequence[str]],
    known_features: Sequence[str],
) -> APIRouter:
    """``features`` reads the enabled ones; ``known_features`` is what can be enabled."""
    routes = APIRouter()

    @routes.get("/v1/ctrl/trigger_snapshot")
    async def trigger_snapshot(request: Request) -> JSONResponse:
        return JSONResponse(await _trigger_snapshot(request, log, relay, background))

    @routes.get("/v1/ctrl/trigger_transfer_leader")
    async def trigger_transfer_leader(request: Request) -> Response:
        return await _transfer_leader(request, log, relay)

    @routes.api_route("/v1/features/list", methods=READ)
    async def list_features(request: Request) -> JSONResponse:
        queries.only(request, [])
        return JSONResponse({"features": list(known_features), "enabled": sorted(features())})

    @routes.get("/v1/features/set")
    async def set_feature(request: Request) -> JSONResponse:
        command = _feature_command(queries.only(request, ["feature", "enable"]), known_features)
        reply = await log.propose(command)
        enabled = reply.enabled if isinstance(reply, FeaturesAre) else features()
        return JSONResponse({"features": list(known_features), "enabled": sorted(enabled)})

    return routes


async def _trigger_snapshot(
    request: Request, log: OrderedLog, relay: Relay, background: Background
) -> dict[str, Any] | None:
    params = queries.only(request, ["wait"])
    wait = queries.number("wait", params["wait"], 0.001, MAX_WAIT) if "wait" in params else None
    task = background.spawn(_snapshot(log), name="snapshot")
    return None if wait is None else await held_everywhere(log, relay, task, wait)


async def _transfer_leader(request: Request, log: OrderedLog, relay: Relay) -> Response:
    params = queries.only(request, ["to", *PARAMETERS])
    target = relay.target(request, params)
    to = queries.whole("to", params["to"]) if "to" in params else None
    if isinstance(target, Everyone):
        raise InvalidRequest("node=all cannot hand over leadership; name the leader, or leave node out.")
    if target is not None:
        return await relay.pass_on(request, target, TRANSFER_SECONDS)
    transfer = await log.transfer_leader(to)
    return JSONResponse({"from": transfer.origin, "to": transfer.to, "voter_ids": transfer.voters})


async def _snapshot(log: OrderedLog) -> SnapshotFacts:
    try:
        return await log.snapshot()
    except MetaError as error:
        _log.warning("The snapshot asked for over HTTP failed: %s", error)
        raise


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
