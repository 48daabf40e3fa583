"""The ordered log: propose a command, get it back applied, in one order, once.

Two engines stand behind one interface: ``local`` for a single node, and a
cluster engine. Whatever needs replicated state sees only what is here.
"""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from diag.kv.commands import Command, Reply
from diag.kv.records import Change


class LogId(NamedTuple):
    """A position in the log."""

    term: int
    node_id: int
    index: int  # type: ignore[assignment]  # the log's own term, over tuple.index


class Applied(NamedTuple):
    """One applied command: its place, its reply, and what it changed (expiry purges included)."""

    log_id: LogId
    reply: Reply
    changes: Sequence[Change]


@dataclass(frozen=True)
class NodeAddress:
    """One node as the admin API and MemberList present it."""

    node_id: int
    name: str
    raft_host: str
    raft_port: int
    grpc_advertise: str | None  # host:port


@dataclass(frozen=True)
class SnapshotFacts:
    """The last durable snapshot. Sizes are bytes; ``seconds`` is what building it took."""

    log_id: LogId
    path: Path
    key_count: int
    expire_count: int
    size: int
    content_hash: str
    created_ms: int
    seconds: float


@dataclass(frozen=True)
class ClusterStatus:
    """This node's live view of the cluster."""

    node: NodeAddress
    state: str  # Leader, Follower, Learner, Candidate, Shutdown
    term: int
    last_log_index: int
    last_applied: LogId
    purged: LogId | None
    snapshot: SnapshotFacts | None
    leader: NodeAddress | None
    voters: tuple[NodeAddress, ...]
    non_voters: tuple[NodeAddress, ...]
    last_seq: int
    key_count: int
    db_size: int  # bytes on disk of the state machine
    log_size: int  # bytes on disk of the log
    replication: dict[int, LogId] = field(default_factory=dict)


@dataclass(frozen=True)
class LogCounters:
    """Counts since start, for metrics."""

    proposals_pending: int
    proposals_failed: int
    leader_changes: int
    snapshot_building: bool
    snapshot_written_entries: int
    store_write_failed: Mapping[str, int] = field(default_factory=dict)  # by what the store was doing
    store_read_failed: Mapping[str, int] = field(default_factory=dict)
    acknowledged_at: float = -math.inf  # when a proposal was last acknowledged, by time.monotonic()


class Transfer(NamedTuple):
    """A change of leadership asked for, and done: node ids."""

    origin: int
    to: int
    voters: tuple[int, ...]


class Question(NamedTuple):
    """An HTTP request for another node's admin API. ``path`` holds the query; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class Answer(NamedTuple):
    """Its response. ``body`` comes as the other node makes it; closing it early cancels the work there."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


class Peers(Protocol):
    """The other nodes of the cluster, as this one reaches them."""

    async def ask(self, node_id: int, question: Question) -> Answer:
        """What that node's admin API answers; how long to wait is the caller's to bound.

        Unavailable when it cannot be reached, NotFound for a node that is no member.
        """


class Joining(NamedTuple):
    """A node that asks to become a member. Addresses are host:port, as the others reach them.

    ``cluster_name`` is that of the cluster it means; empty for any.
    """

    node_id: int
    name: str
    raft_address: str
    grpc_address: str
    learner: bool
    cluster_name: str = ""


class Joined(NamedTuple):
    """What the node starts its etcd member with: the cluster's name and etcd token, and its members.

    ``initial_cluster`` is etcd's form, ``name=url,...``, with the new node in it.
    """

    cluster_name: str
    cluster_token: str
    initial_cluster: str


class Membership(Protocol):
    """Changes of the cluster's members. Any node takes them; Conflict when one is in the way."""

    async def join(self, node: Joining) -> Joined:
        """Make the node a member, and answer the same when it is one already at these addresses.

        Conflict when another node has its id or its name, or holds one of its addresses, or when it
        means another cluster.
        """

    async def promote(self, node_id: int) -> None:
        """Make a voter of a learner that has caught up."""

    async def remove(self, node_id: int) -> None:
        """Take a node out; refused for the last voter. A node that is no member is removed already."""


class OrderedLog(Protocol):
    """What an engine offers. All methods are called on the event loop thread."""

    @property
    def reads_are_local(self) -> bool:
        """Whether the store is always as new as what was acknowledged, so that no read index is needed."""

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Finish what was acknowledged, refuse the rest with Unavailable, release the directory."""

    async def propose(self, command: Command) -> Reply:
        """Order, make durable and apply the command. A returned reply survives kill -9."""

    async def read_index(self) -> int:
        """The applied index a linearizable read must at least see; free when embedded."""

    async def snapshot(self) -> SnapshotFacts:
        """Write a snapshot and return it once durable; concurrent callers share one."""

    async def transfer_leader(self, to: int | None) -> Transfer:
        """Hand leadership to ``to``, by default to the next voter in id order that answers. NotLeader with
        the leader's address, InvalidRequest for no voter, Conflict when there is no other or it is silent."""

    def status(self) -> ClusterStatus: ...

    def leader_elsewhere(self) -> str | None:
        """The gRPC address (host:port) of another node that leads; None while this one does, or none."""

    def counters(self) -> LogCounters: ...

    def subscribe(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        """Call ``listener`` on the loop thread for each applied command, in order; returns how to stop it."""
