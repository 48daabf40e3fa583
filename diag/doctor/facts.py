"""What the rules look at: what each node says of itself, and what the one that asked saw while it asked.

Nodes send ``NodeFacts`` to each other as JSON. A field that is unknown is passed over and one that is missing
has a default, since nodes of two versions talk while a cluster is upgraded. What no node would say of itself
is refused: a rule never meets it.
"""

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Told(BaseModel):
    """Part of what a node says of itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Address(Told):
    """A node and its addresses, host:port; ``grpc`` is None where none is advertised."""

    node_id: Count
    raft: str
    grpc: str | None = None


class Held(Told):
    """The last snapshot: the entry it reaches, when it was made (ms since 1970), and its content's hash."""

    index: Count
    created_ms: Count
    content_hash: str


class Disk(Told):
    """The file system under a directory; bytes."""

    path: str
    free: Count
    total: Count


class Writing(Told):
    """What making 4 KiB durable took just now: the median of ``tries``, and the longest.

    ``stuck`` is how long one that has not ended goes on, ``failed`` what the system said instead.
    """

    tries: Count = 0
    median: Seconds = 0.0
    longest: Seconds = 0.0
    stuck: Seconds = 0.0
    failed: str | None = None


class Alarm(Told):
    """One that a member has raised; ``node_id`` is None for a member that no node is known for."""

    kind: str
    node_id: Count | None = None


class Etcd(Told):
    """The node's etcd member. ``unanswered`` is why it tells nothing, then the rest is what was known before.

    ``restarts`` count since the node's start; sizes are bytes.
    """

    phase: str
    restarts: Count = 0
    last_failure: str = ""
    version: str = ""
    db_size: Count = 0
    quota: Count = 0
    alarms: tuple[Alarm, ...] = ()
    unanswered: str | None = None


class Standstill(Told):
    """The event loop ran nothing for ``seconds``, until ``ago`` seconds ago; the stack, innermost first.

    ``stopped``: the whole process stood, and no function held it. ``locked``: native code kept the
    interpreter lock.
    """

    seconds: Seconds
    ago: Seconds
    stack: tuple[str, ...] = ()
    stopped: bool = False
    locked: bool = False


class Growth(Told):
    """How the process's own memory went: bytes at first and at last, ``seconds`` later.

    ``steady``: it rose from third to third. ``holders`` are what grew, by how many bytes; some overlap.
    """

    seconds: Seconds
    first: Count
    last: Count
    steady: bool
    holders: tuple[tuple[str, int], ...] = ()


class Lately(Told):
    """What came and went in the last ``seconds``: leaders, the etcd process, and connections lost by node.

    ``handed_over``: leadership that the node gave away by order.
    """

    seconds: Seconds = 0.0
    leader_changes: Count = 0
    handed_over: Count = 0
    restarts: Count = 0
    lost: tuple[tuple[int, int], ...] = ()


class NodeFacts(Told):
    """One node. ``now_ms`` is its wall clock, in ms since 1970; the addresses are the configured ones.

    ``members`` are those it knows. ``failed`` says why it serves no more, ``tracing`` why py-spy may not read
    the process, and ``sampling_hz`` is the fastest that py-spy samples with as many ``threads``.
    ``tokens`` says why the tokens file as it is now is not used. ``most_files`` is how many files the system
    lets the process have open at most, 0 where that is not known or not bounded.
    ``snapshot_every`` is in entries, ``loop_lag`` the worst of the last ten seconds. ``memory_followed``: the
    node can tell at any time which function holds how much.
    """

    node_id: Count
    name: str
    version: str
    now_ms: Count
    clustered: bool
    state: str
    term: Count
    leader: Count | None
    last_log_index: Count
    applied: Count
    own: Address
    voters: tuple[Address, ...]
    non_voters: tuple[Address, ...] = ()
    snapshot: Held | None = None
    snapshot_every: Count = 0
    failed: str | None = None
    tokens: str | None = None
    disks: tuple[Disk, ...] = ()
    writing: Writing = Writing()
    etcd: Etcd | None = None
    tracing: str | None = None
    threads: Count = 0
    sampling_hz: Count = 0
    most_files: Count = 0
    loop_lag: Seconds = 0.0
    standstill: Standstill | None = None
    growth: Growth | None = None
    memory_followed: bool = False
    lately: Lately = Lately()

    @property
    def members(self) -> tuple[Address, ...]:
        """All of them, voters first."""
        return (*self.voters, *self.non_voters)


class Offset(NamedTuple):
    """How far a node's wall clock is ahead of ours, between these bounds, in seconds."""

    least: float
    most: float


class Cluster(NamedTuple):
    """All that was learnt. ``asked`` is the node that asked the others, ``silent`` why one told nothing."""

    asked: int
    nodes: dict[int, NodeFacts]
    silent: dict[int, str]
    offsets: dict[int, Offset]

    @property
    def own(self) -> NodeFacts:
        """Of the node that asked."""
        return self.nodes[self.asked]
