"""``/debug/pprof/operation``: a profile of one operation, from its start to its end."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Request, Response

from diag.admin import queries
from diag.admin.answers import answer, archived, form_of
from diag.admin.draw import Renderer
from diag.admin.operations import OPERATIONS, Operation
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.relay import PARAMETERS, Relay
from diag.admin.several import MARGIN
from diag.admin.taking import REQUESTS, Watched, client_of, keep_after, parameters
from diag.errors import InvalidRequest
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.profilers.requests import SECONDS, CpuRequest, HeapRequest
from diag.replication import OrderedLog

_KINDS = ("cpu", "heap")
#: Seconds after which an operation is ended with its profile.
_BOUND: Final = "at_most"
_NO_SECONDS: Final = (
    "seconds is not for this: the profile is as long as the operation; "
    "at_most=SECONDS ends both after so long."
)

#: Takes the profile of an operation.
Around = Callable[[Operation], Awaitable[Capture]]


def router(
    log: OrderedLog, profilers: Profilers, keeper: Keeper, relay: Relay, renderer: Renderer
) -> APIRouter:
    """One route; whatever the profile's kind takes goes with it, but ``seconds``; ``at_most`` bounds it."""
    routes = APIRouter()

    @routes.get("/debug/pprof/operation")
    async def operation(request: Request) -> Response:
        kind = queries.one_of("kind", request.query_params.get("kind", "cpu"), _KINDS)
        known = [each for each in parameters(REQUESTS[kind]) if each != "seconds"]
        if "seconds" in request.query_params:
            raise InvalidRequest(_NO_SECONDS)
        params = queries.only(request, [*known, _BOUND, "name", "kind", "format", *PARAMETERS])
        form = form_of(request, params.get("format"))
        target = relay.one(request, params)
        name = queries.one_of("name", params.get("name", ""), OPERATIONS)
        most = queries.number(_BOUND, params.get(_BOUND, f"{SECONDS[1]:g}"), *SECONDS)
        given = {key: params[key] for key in known if key in params}
        wanted = replace(REQUESTS[kind].parse(given), seconds=most)
        if not isinstance(wanted, CpuRequest | HeapRequest):
            raise InvalidRequest(f"kind is {kind!r}; an operation has a profile of {' or '.join(_KINDS)}.")
        if target is not None:
            return await relay.pass_on(request, target, wanted.seconds + 2 * MARGIN)
        who = f"profile of the operation {name} for {client_of(request)}"

        async def around(work: Operation) -> Capture:
            return await profilers.around(wanted, who, work)

        work = _taken(log, keeper, renderer, name, around, relay.own(), form)
        return await while_present(request, work) or Response(status_code=CLIENT_GONE)

    return routes


async def _taken(
    log: OrderedLog,
    keeper: Keeper,
    renderer: Renderer,
    name: str,
    around: Around,
    node_id: int,
    form: str,
) -> Response:
    captures: list[Capture] = []

    async def profile(work: Operation) -> None:
        captures.append(await around(work))

    async def take() -> Capture:
        await OPERATIONS[name](log, keeper.shelf, profile)
        note = f"This is the operation {name}, from its start to its end."
        return replace(captures[0], notes=(note, *captures[0].notes))

    taken = await keep_after(keeper, Watched(keeper, take), name=None, nodes=lambda: (node_id,))
    if form == "zip":
        return taken.mark(await archived(renderer, taken.capture, {node_id: taken.capture}))
    return taken.mark(await answer(renderer, taken.capture, form, node_id))
