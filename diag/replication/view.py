"""The cluster as this node's etcd member sees it: who is in it, who leads, and this member's own state.

Asked twice a second. Each member carries its node's id as its name and its node's gRPC address as its client
address, so the list of members is the list of nodes, and needs no table of its own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from diag.errors import MetaError
from diag.replication import NodeAddress
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_facts import EtcdFacts, FactsReader
from diag.replication.etcd_wire import Member, MemberStatus

_EVERY = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """One look. ``state`` is Leader, Follower, Candidate or Learner; ids of members are etcd's."""

    cluster: int = 0
    state: str = "Candidate"
    term: int = 0
    leader: NodeAddress | None = None
    voters: tuple[NodeAddress, ...] = ()
    non_voters: tuple[NodeAddress, ...] = ()
    member_of: tuple[tuple[int, int], ...] = ()  # node id, member id
    db_size: int = 0
    facts: EtcdFacts = field(default_factory=EtcdFacts)

    def member(self, node_id: int) -> int | None:
        """The etcd member of a node."""
        return dict(self.member_of).get(node_id)

    @property
    def nodes(self) -> tuple[NodeAddress, ...]:
        """All of them, voters first."""
        return (*self.voters, *self.non_voters)


class View:
    """Looks at the member behind ``client``; ``changed`` hears of each look that differs from the last.

    ``members`` gives the cluster's members as that one knows them.
    """

    def __init__(
        self,
        client: EtcdClient,
        members: Callable[[], Awaitable[tuple[Member, ...]]],
        facts: FactsReader,
        changed: Callable[[Seen], None],
    ) -> None:
        self._client = client
        self._members = members
        self._facts = facts
        self._changed = changed
        self.seen = Seen()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Look once. A member that does not answer knows no leader; its members are those last known."""
        try:
            status = await self._client.status()
            members = await self._members()
            facts = await self._facts.read()
        except MetaError as failure:
            _log.debug("This node's etcd does not tell of itself: %s", failure)
            seen = replace(self.seen, state="Candidate", leader=None)
        else:
            seen = see(status, members, facts)
        before, self.seen = self.seen, seen
        if (before.state, before.leader, before.nodes) != (seen.state, seen.leader, seen.nodes):
            self._changed(seen)


def see(status: MemberStatus, members: tuple[Member, ...], facts: EtcdFacts) -> Seen:
    """What a member's answers come to. A member that has not started yet is nobody's, nor is one
    that was not started by a node: its name is no number.
    """
    nodes = {member.member_id: address(member) for member in members if member.name.isdecimal()}
    learners = {member.member_id for member in members if member.learner}
    leader = nodes.get(status.leader) if not _leaderless(status) else None
    return Seen(
        cluster=status.header.cluster_id,
        state=_state(status, facts),
        term=status.raft_term,
        leader=leader,
        voters=tuple(sorted((node for at, node in nodes.items() if at not in learners), key=_by_id)),
        non_voters=tuple(sorted((node for at, node in nodes.items() if at in learners), key=_by_id)),
        member_of=tuple(sorted((node.node_id, at) for at, node in nodes.items())),
        db_size=status.db_size,
        facts=facts,
    )


def address(member: Member) -> NodeAddress:
    """The node whose member it is."""
    peer = urlsplit(member.peer_urls[0])
    grpc = [urlsplit(url).netloc for url in member.client_urls]
    return NodeAddress(
        int(member.name), member.name, peer.hostname or "", peer.port or 0, grpc[0] if grpc else None
    )


def _state(status: MemberStatus, facts: EtcdFacts) -> str:
    if status.learner:
        return "Learner"
    if _leaderless(status):
        return "Candidate"
    if status.is_leader:
        return "Leader"
    return "Candidate" if facts.raft_state.endswith("Candidate") else "Follower"


def _leaderless(status: MemberStatus) -> bool:
    # A survivor names the old leader for a second; its own error says otherwise.
    return not status.leader or any("no leader" in error for error in status.errors)


def _by_id(node: NodeAddress) -> int:
    return node.node_id
