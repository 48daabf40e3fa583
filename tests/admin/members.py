"""Three real nodes in one process that know each other, joined by the tunnels of their apps.

Each has a log of its own, which tells of a cluster that one of them leads: what
the surface shows of a cluster needs members, not agreement.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from diag.admin.guard import Guard
from diag.admin.tunnel import Tunnel
from diag.errors import Conflict, NotFound, NotLeader, Unavailable
from diag.profilers.apart import Apart
from diag.replication import (
    Answer,
    ClusterStatus,
    Joined,
    Joining,
    LogId,
    NodeAddress,
    Question,
    SnapshotFacts,
    Transfer,
)
from diag.replication.local import LocalLog
from tests.admin.served import Served, serving

ADDRESSES = {
    node_id: NodeAddress(node_id, str(node_id), "localhost", 28003 + 100 * node_id, f"localhost:919{node_id}")
    for node_id in (1, 2, 3)
}
LEADER = 1


class MemberLog(LocalLog):
    """A log of one node whose status tells of three: node 1 leads, 2 follows, 3 learns."""

    fellows: Sequence["MemberLog"] = ()

    async def snapshot(self) -> SnapshotFacts:
        """As a cluster's log does it, every node writes one."""
        logs = (self, *(log for log in self.fellows if log is not self))
        own, *_ = await asyncio.gather(*(LocalLog.snapshot(log) for log in logs))
        return own

    def status(self) -> ClusterStatus:
        own = super().status()
        state = {1: "Leader", 2: "Follower", 3: "Learner"}[own.node.node_id]
        behind = own.last_applied._replace(index=max(0, own.last_applied.index - 1))
        return replace(
            own,
            state=state,
            leader=ADDRESSES[LEADER],
            voters=(ADDRESSES[1], ADDRESSES[2]),
            non_voters=(ADDRESSES[3],),
            replication={1: own.last_applied, 2: behind, 3: LogId(0, 0, 0)} if state == "Leader" else {},
        )

    async def transfer_leader(self, to: int | None) -> Transfer:
        if self.status().state != "Leader":
            raise NotLeader("Only the leader hands over leadership.", "localhost:9191")
        return Transfer(LEADER, to or 2, (1, 2))


class TunnelPeers:
    """Reaches the other nodes by their tunnels. ``down`` refuse, ``frozen`` never answer, some lie."""

    def __init__(self) -> None:
        self.tunnels: dict[int, Tunnel] = {}
        self.down: set[int] = set()
        self.frozen: set[int] = set()
        self.lies: dict[int, bytes] = {}
        self.asked: list[tuple[int, Question]] = []

    async def ask(self, node_id: int, question: Question) -> Answer:
        self.asked.append((node_id, question))
        if node_id in self.down:
            raise Unavailable(f"Node {node_id} is not reachable.")
        if node_id in self.frozen:
            await asyncio.Event().wait()
        if node_id in self.lies:
            return Answer(200, {}, _said(self.lies[node_id]))
        if node_id not in self.tunnels:
            raise NotFound(f"Node {node_id} is no member.")
        return await self.tunnels[node_id](question)


class TwoOrMore:
    """Membership that remembers what it was asked, and keeps the last voter."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def join(self, node: Joining) -> Joined:
        raise Conflict("Nobody joins this cluster.")

    async def promote(self, node_id: int) -> None:
        self.asked.append(("promote", node_id))

    async def remove(self, node_id: int) -> None:
        if node_id == LEADER:
            raise Conflict("Node 1 is the last voter; a cluster needs one.")
        self.asked.append(("remove", node_id))


async def _said(content: bytes) -> AsyncIterator[bytes]:
    yield content


@dataclass
class Cluster:
    """The nodes by id, and what joins them."""

    nodes: dict[int, Served]
    peers: TunnelPeers
    membership: TwoOrMore

    @property
    def first(self) -> Served:
        return self.nodes[LEADER]


@contextlib.asynccontextmanager
async def three_nodes(
    directory: Path,
    guards: Mapping[int, Guard] | None = None,
    aparts: Mapping[int, Apart] | None = None,
) -> AsyncIterator[Cluster]:
    cluster = Cluster({}, TunnelPeers(), TwoOrMore())
    async with contextlib.AsyncExitStack() as running:
        for node_id, address in ADDRESSES.items():
            cluster.nodes[node_id] = await running.enter_async_context(
                serving(
                    directory / str(node_id),
                    node=address,
                    kind=MemberLog,
                    peers=cluster.peers,
                    membership=cluster.membership,
                    guard=(guards or {}).get(node_id),
                    apart=(aparts or {}).get(node_id),
                )
            )
            cluster.peers.tunnels[node_id] = Tunnel(cluster.nodes[node_id].app)
            running.push_async_callback(cluster.peers.tunnels[node_id].close)
        logs = [node.log for node in cluster.nodes.values() if isinstance(node.log, MemberLog)]
        for log in logs:
            log.fellows = logs
        yield cluster
