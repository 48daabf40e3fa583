"""Who is to lead next: a voter whose own process answers, because a member of etcd lives on without it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from diag.errors import Conflict, InvalidRequest, Unavailable
from diag.replication import NodeAddress

#: Seconds that a voter has for its answer.
_SECONDS = 1.5

#: Asks a node, by its id, for anything; Unavailable when no answer comes.
Ask = Callable[[int], Awaitable[object]]


async def successor(this: int, voters: Sequence[NodeAddress], to: int | None, ask: Ask) -> int:
    """``to``, or else the first after ``this`` in the order of the ids, of the voters that answer.

    InvalidRequest when ``to`` is no voter; Conflict when it leads already or is silent, and when there is
    no other voter, or none that answers.
    """
    ids = [voter.node_id for voter in voters]
    if to is not None and to not in ids:
        raise InvalidRequest(f"to is {to}, which is not a voter; the voters are {ids}.")
    if to == this:
        raise Conflict(f"Node {this} is the leader already.")
    others = sorted((one for one in voters if one.node_id != this), key=lambda one: _turn(one, this))
    if not others:
        raise Conflict(f"Node {this} is the only voter, so there is no other to hand leadership to.")
    asked = [one for one in others if to in (None, one.node_id)]
    for voter, answers in zip(
        asked, await asyncio.gather(*(_answers(one, ask) for one in asked)), strict=True
    ):
        if answers:
            return voter.node_id
    if to is not None:
        raise Conflict(
            f"Node {to} does not answer within {_SECONDS:g} s, so it would lead and serve nobody; choose "
            f"another voter of {ids}, or restart node {to} first."
        )
    silent = ", ".join(str(one.node_id) for one in asked)
    raise Conflict(f"No other voter answers within {_SECONDS:g} s: node {silent}; restart one of them first.")


def _turn(voter: NodeAddress, this: int) -> tuple[bool, int]:
    return voter.node_id < this, voter.node_id


async def _answers(voter: NodeAddress, ask: Ask) -> bool:
    """One without an address cannot be asked; that is how it was set up, and no sign of illness."""
    if not voter.grpc_advertise:
        return True
    try:
        async with asyncio.timeout(_SECONDS):
            await ask(voter.node_id)
    except (TimeoutError, Unavailable):
        return False
    return True
