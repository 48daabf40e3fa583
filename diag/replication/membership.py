"""Changes of a cluster's members, through this node's etcd member.

A node joins as a learner and is promoted when it has caught up, so that no majority waits for a node that has
not started yet. A node that lost its directory may come back under its id from the same address: its old
member is taken out first. From another address that id is somebody else's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from diag.errors import Conflict, NotFound, NotInTime, Unavailable
from diag.replication import Joined, Joining
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_flags import EtcdSpec
from diag.replication.etcd_wire import Member

#: etcd takes one change at a time, and none for some seconds after a member came or went.
_PATIENCE = 20.0
_PAUSE = 0.3

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class EtcdMembership:
    """``Membership`` over etcd's own; ``spec`` is this node's member; ``at`` asks a raft address."""

    def __init__(
        self, client: EtcdClient, spec: EtcdSpec, at: Callable[[str], Awaitable[tuple[Member, ...]]]
    ) -> None:
        self._client = client
        self._spec = spec
        self._at = at

    async def join(self, node: Joining) -> Joined:
        """Add the node as a learner; one that was added and never started is answered the same again."""
        if node.cluster_name not in ("", self._spec.cluster):
            raise Conflict(
                f"This is cluster {self._spec.cluster}, and node {node.node_id} is to be one of "
                f"{node.cluster_name}; check its raft_config.cluster_name and join."
            )
        url = self._spec.peer_url(node.raft_address)
        members = await self._agreed_members()
        _check_free(members, node, url)
        known = next((member for member in members if url in member.peer_urls), None)
        if known is not None and known.name:
            await self._check_gone(node)
            _log.warning("Node %d comes back without its data; its old member is taken out", node.node_id)
            await self._take_out(known)
            known = None
        if known is None:
            await self._patiently(lambda: self._client.add_member(url, learner=True))
            _log.info("Node %d at %s joins", node.node_id, node.raft_address)
        members = await self._agreed_members()
        return Joined(self._spec.cluster, self._spec.cluster, _initial(members, node, url))

    async def promote(self, node_id: int) -> None:
        """A voter is promoted already."""
        member = await self._member(node_id)
        if member.learner:
            await _by_majority(lambda: self._client.promote_member(member.member_id))

    async def remove(self, node_id: int) -> None:
        """The node's etcd ends by itself; its meta node then says that it was removed."""
        members = await self._agreed_members()
        member = next((one for one in members if one.name == str(node_id)), None)
        if member is None:
            return
        voters = [one for one in members if not one.learner]
        if voters == [member]:
            raise Conflict(
                f"Node {node_id} is the last voter; a cluster without voters has no state. Stop it."
            )
        await self._take_out(member)

    async def _check_gone(self, node: Joining) -> None:
        """A node that asks to join does not listen yet: whoever does is the member it would replace."""
        try:
            await self._at(node.raft_address)
        except Unavailable:
            return
        raise Conflict(
            f"Node {node.node_id} runs at {node.raft_address} and is a member; stop it first, or give this "
            "node an id and a raft address of its own."
        )

    async def _take_out(self, member: Member) -> None:
        await self._patiently(lambda: self._client.remove_member(member.member_id))

    async def _member(self, node_id: int) -> Member:
        members = await self._agreed_members()
        for member in members:
            if member.name == str(node_id):
                return member
        names = ", ".join(sorted(member.name for member in members if member.name))
        raise NotFound(f"Node {node_id} is no member of the cluster; the members are {names}.")

    async def _agreed_members(self) -> tuple[Member, ...]:
        return await _by_majority(self._client.members)

    async def _patiently(self, change: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    try:
                        await _by_majority(change)
                    except Conflict as failure:
                        _log.info("The cluster takes no change of members yet: %s", failure)
                        await asyncio.sleep(_PAUSE)
                    else:
                        return
        except TimeoutError:
            raise Unavailable(
                f"The cluster took no change of members for {_PATIENCE:g} s: another node joins, or a voter "
                "is down. Try again."
            ) from None


async def _by_majority(ask: Callable[[], Awaitable[Result]]) -> Result:
    """What a majority is needed for. etcd's own words name a socket of it, which helps nobody."""
    try:
        return await ask()
    except (Unavailable, NotInTime) as failure:
        _log.info("A question about members was not answered: %s", failure)
        raise Unavailable(
            "A majority of the cluster's voters does not answer, and members change only by a majority. "
            "Start the voters that are down and try again; when they are lost, start a new cluster from a "
            "backup (diag export, diag import)."
        ) from None


def _check_free(members: tuple[Member, ...], node: Joining, url: str) -> None:
    for member in members:
        if member.name == str(node.node_id) and url not in member.peer_urls:
            raise Conflict(
                f"Id {node.node_id} is taken by the node at {', '.join(member.peer_urls)}; give this one "
                "another id, or remove that one first (diag leave)."
            )
        if url in member.peer_urls and member.name not in ("", str(node.node_id)):
            raise Conflict(f"{node.raft_address} is node {member.name}'s address; give this node its own.")


def _initial(members: tuple[Member, ...], node: Joining, url: str) -> str:
    """etcd's list of members, in which the new one has its name already."""
    named = [(str(node.node_id) if url in member.peer_urls else member.name, member) for member in members]
    return ",".join(f"{name}={peer}" for name, member in named if name for peer in member.peer_urls)
