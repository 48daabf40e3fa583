"""``/v1/ctrl/leave`` and ``/v1/ctrl/promote``: changes of the cluster's members. POST, as all that is new."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from diag.admin import queries
from diag.admin.guard import Guard
from diag.errors import Conflict, InvalidRequest
from diag.replication import Membership, NodeAddress, OrderedLog


def router(log: OrderedLog, membership: Membership | None, guard: Guard) -> APIRouter:
    """``membership`` is None on a node of its own. Any node of a cluster takes either request.

    Both answer with the members as this node knows them when the change is done.
    """
    routes = APIRouter(dependencies=[Depends(guard)])

    @routes.post("/v1/ctrl/leave")
    async def leave(request: Request) -> JSONResponse:
        return await change(request, _of(membership).remove)

    @routes.post("/v1/ctrl/promote")
    async def promote(request: Request) -> JSONResponse:
        return await change(request, _of(membership).promote)

    async def change(request: Request, make: Callable[[int], Awaitable[None]]) -> JSONResponse:
        params = queries.only(request, ["id"])
        if "id" not in params:
            raise InvalidRequest("The parameter id is missing; it names the node, as in ?id=3.")
        node_id = queries.whole("id", params["id"])
        await make(node_id)
        status = log.status()
        return JSONResponse(
            {"id": node_id, "voters": _ids(status.voters), "non_voters": _ids(status.non_voters)}
        )

    return routes


def _of(membership: Membership | None) -> Membership:
    if membership is None:
        raise Conflict(
            "This node is its cluster's only voter and runs the embedded log: no member can change."
        )
    return membership


def _ids(nodes: tuple[NodeAddress, ...]) -> list[int]:
    return [node.node_id for node in nodes]
