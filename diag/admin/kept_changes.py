"""Changes of the kept profiles: a new one taken or brought, another name, one forgotten."""

import contextlib
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from diag.admin import kept_views, queries
from diag.admin.elsewhere import DRAWN_SECONDS
from diag.admin.kept_views import at, json_response
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.relay import PARAMETERS, Relay, question_of
from diag.admin.several import Every
from diag.admin.several import take as take_every
from diag.admin.starts import Starts
from diag.admin.taking import (
    ID_HEADER,
    PATHS,
    REQUESTS,
    Taken,
    Watched,
    client_of,
    keep_after,
    parameters,
    refuse_foreign_pictures,
    take_one,
)
from diag.errors import Conflict, InvalidRequest, MessageTooLarge, NotFound
from diag.profilers.about import checked_key, checked_name
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.replication import NodeAddress, Question

#: Largest profile that may be brought, in bytes as it is sent.
MOST_BROUGHT: Final = 64 << 20


def router(profilers: Profilers, keeper: Keeper, starts: Starts, relay: Relay) -> APIRouter:
    """POST and DELETE alone."""
    changes = _Changes(profilers, keeper, starts, relay)
    routes = APIRouter()
    routes.add_api_route("/debug/profiles", changes.post, methods=["POST"], response_model=None)
    routes.add_api_route("/debug/profiles/{key}", changes.rename, methods=["POST"], response_model=None)
    routes.add_api_route(
        "/debug/profiles/{key}/cancel", changes.cancel, methods=["POST"], response_model=None
    )
    routes.add_api_route("/debug/profiles/{key}", changes.delete, methods=["DELETE"], response_model=None)
    return routes


class _Changes:
    """What the routes do; each takes the request and what its path named."""

    def __init__(self, profilers: Profilers, keeper: Keeper, starts: Starts, relay: Relay) -> None:
        self._profilers = profilers
        self._keeper = keeper
        self._starts = starts
        self._relay = relay

    async def post(self, request: Request) -> Response:
        """Start one where ``kind`` is given, else keep the one that is sent."""
        if "kind" in request.query_params:
            return await self._start(request)
        params = queries.only(request, ["name", "unit", "kind", *PARAMETERS])
        if self._relay.one(request, params) is not None:
            raise InvalidRequest("A profile is not passed on to another node; send it to that node itself.")
        name = await self._new_name(params)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        about = await while_present(request, self._keeper.bring(body, name, params.get("unit")))
        if about is None:
            return Response(status_code=CLIENT_GONE)
        return json_response(kept_views.of_about(about), 201, {**at(about.id), ID_HEADER: about.id})

    async def rename(self, request: Request, key: str) -> Response:
        params = queries.only(request, ["name", *PARAMETERS])
        target = self._relay.one(request, params)
        if "name" not in params:
            raise InvalidRequest("name is missing; it says what the profile is to be called.")
        name = checked_name(params["name"])
        if target is not None:
            return await self._relay.pass_on(request, target, DRAWN_SECONDS)
        self._starts.require_kept(checked_key(key))
        return json_response(kept_views.of_about(await self._keeper.rename(key, name)))

    async def delete(self, request: Request, key: str) -> Response:
        target = self._relay.one(request, queries.only(request, PARAMETERS))
        checked_key(key)
        if target is not None:
            return await self._relay.pass_on(request, target, DRAWN_SECONDS)
        started = self._starts.get(key)
        if started is None:
            return json_response({"deleted": await self._keeper.remove(key)})
        await self._starts.remove(started)
        with contextlib.suppress(NotFound):
            await self._keeper.remove(started.id)  # it was being written when it was ended
        return json_response({"deleted": started.id})

    async def cancel(self, request: Request, key: str) -> Response:
        """End one that is on its way; what is kept stays."""
        target = self._relay.one(request, queries.only(request, PARAMETERS))
        checked_key(key)
        if target is not None:
            return await self._relay.pass_on(request, target, DRAWN_SECONDS)
        started = self._starts.get(key)
        if started is None:
            await self._keeper.require(key)
        if started is None or started.task.done():
            raise Conflict(f"The profile {key} is not on its way any more; see /debug/profiles.")
        await self._starts.remove(started)
        with contextlib.suppress(NotFound):
            await self._keeper.remove(started.id)  # it was being written when it was ended
        return json_response({"cancelled": started.id})

    async def _start(self, request: Request) -> Response:
        kind = queries.one_of("kind", request.query_params["kind"], REQUESTS)
        known = parameters(REQUESTS[kind])
        params = queries.only(request, [*known, "kind", "name", *PARAMETERS])
        target = self._relay.target(request, params)
        name = params.get("name")
        wanted = REQUESTS[kind].parse({key: value for key, value in params.items() if key in known})
        if name is not None:
            checked_name(name)
        if isinstance(target, NodeAddress):
            return await self._relay.pass_on(request, target, DRAWN_SECONDS)
        if target is not None:
            refuse_foreign_pictures(wanted)
        await self._new_name(params)
        who = client_of(request)

        async def here() -> Capture:
            return await take_one(self._profilers, wanted, who)

        own = Watched(self._keeper, here)
        every = Every(
            partial(take_every, self._relay, own.take, _of_each(request, kind), kind, wanted.seconds)
        )

        async def take(id_: str) -> Taken:
            work, nodes = (
                (None, lambda: (self._relay.own(),)) if target is None else (every.take, every.nodes)
            )
            return await keep_after(self._keeper, own, work, name=name, nodes=nodes, id_=id_)

        started = await self._starts.start(kind, wanted.seconds, name, take)
        return json_response(kept_views.of_started(started), 202, {**at(started.id), ID_HEADER: started.id})

    async def _new_name(self, params: dict[str, str]) -> str | None:
        name = params.get("name")
        if name is None:
            return None
        checked_name(name)
        self._starts.require_kept(name)
        await self._keeper.require_free(name)
        return name


def _of_each(request: Request, kind: str) -> Question:
    """The same profile, as each other node is asked for it."""
    asked = question_of(request, format="folded")
    params = [pair for pair in parse_qsl(urlsplit(asked.path).query) if pair[0] != "kind"]
    return asked._replace(method="GET", path=f"{PATHS[kind]}?{urlencode(params)}")


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BROUGHT:
            raise MessageTooLarge(
                f"The profile is larger than {MOST_BROUGHT >> 20} MiB; gzip it, or convert it to pprof."
            )
        parts.append(part)
    if not size:
        raise InvalidRequest(
            f"The body is empty; send a profile, or start one with kind={'|'.join(REQUESTS)}."
        )
    return b"".join(parts)
