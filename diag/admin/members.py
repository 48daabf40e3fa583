"""``/v1/ctrl/leave`` and ``/v1/ctrl/promote``: changes of the cluster's members. POST, as all that is new."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from diag.admin import queries
from diag.errors import Conflict, InvalidRequest
from diag.replication import ClusterStatus, Membership, NodeAddress, OrderedLog

_SETTLE_SECONDS = 5.0
_LOOK_SECONDS = 0.05


def router(log: OrderedLog, membership: Membership | None) -> APIRouter:
    """``membership`` is None on a node of its own. Any node of a cluster takes either request.

    Both answer with the members as this node knows them when the change is done. One that leaves and is no
    member is out already, as databend-metactl has it; ``was_member`` tells the two apart.
    """
    routes = APIRouter()

    @routes.post("/v1/ctrl/leave")
    async def leave(request: Request) -> JSONResponse:
        return await change(request, _of(membership).remove, _is_gone)

    @routes.post("/v1/ctrl/promote")
    async def promote(request: Request) -> JSONResponse:
        return await change(request, _of(membership).promote, _votes)

    async def change(
        request: Request,
        make: Callable[[int], Awaitable[None]],
        shows: Callable[[ClusterStatus, int], bool],
    ) -> JSONResponse:
        params = queries.only(request, ["id"])
        if "id" not in params:
            raise InvalidRequest("The parameter id is missing; it names the node, as in ?id=3.")
        node_id = queries.whole("id", params["id"])
        before = log.status()
        await make(node_id)
        status = await _settled(log, lambda status: shows(status, node_id))
        return JSONResponse(
            {
                "id": node_id,
                "was_member": not _is_gone(before, node_id),
                "voters": _ids(status.voters),
                "non_voters": _ids(status.non_voters),
            }
        )

    return routes


def _of(membership: Membership | None) -> Membership:
    if membership is None:
        raise Conflict(
            "This node is its cluster's only voter and runs the embedded log: no member can change."
        )
    return membership


async def _settled(log: OrderedLog, shows: Callable[[ClusterStatus], bool]) -> ClusterStatus:
    """The status that shows the change, or after a while the one there is: a view may trail the cluster."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _SETTLE_SECONDS
    while True:
        status = log.status()
        if shows(status) or loop.time() > deadline:
            return status
        await asyncio.sleep(_LOOK_SECONDS)


def _is_gone(status: ClusterStatus, node_id: int) -> bool:
    return node_id not in _ids((*status.voters, *status.non_voters))


def _votes(status: ClusterStatus, node_id: int) -> bool:
    return node_id in _ids(status.voters)


def _ids(nodes: tuple[NodeAddress, ...]) -> list[int]:
    return [node.node_id for node in nodes]
