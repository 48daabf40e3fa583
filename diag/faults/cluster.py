"""What a scenario needs of a cluster: meta processes with their etcd members, or one embedded node."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from diag.faults.answers import LostAnswers
from diag.faults.clock import Clock
from diag.faults.disk import Disk
from diag.faults.network import Network


class Pids(NamedTuple):
    """The processes of one node; ``etcd`` is None where the node keeps its log itself."""

    meta: int
    etcd: int | None


class Digest(NamedTuple):
    """The content of a node's state machine at one applied index."""

    applied: int
    content: str


class Cluster(Protocol):
    """Nodes with fixed names and client endpoints, which stay the same over restarts.

    Calls block for a bounded time and raise MetaError when they fail; the runner makes them off its loop.
    """

    @property
    def names(self) -> Sequence[str]:
        """The nodes that take part, the removed ones left out."""
        ...

    @property
    def network(self) -> Network | None:
        """The links between the nodes, None when they cannot be cut here."""
        ...

    def disk(self, name: str) -> Disk | None:
        """The disk below a node's data, None when the node has no disk of its own."""
        ...

    def clock(self, name: str) -> Clock | None:
        """The clock of a node's meta process, None when it has the machine's."""
        ...

    def answers(self, name: str) -> LostAnswers | None:
        """The proxy between a node and its etcd member, None when there is none."""
        ...

    def endpoint(self, name: str) -> str:
        """Where clients reach the node, host:port."""
        ...

    def start(self, name: str) -> None:
        """Start a node that does not run, and wait until it is healthy."""
        ...

    def stop(self, name: str) -> None:
        """Ask the node to end, and wait until it has."""
        ...

    def pids(self, name: str) -> Pids:
        """The processes of a running node."""
        ...

    def killed(self, name: str) -> None:
        """The node's processes were killed from outside: forget them, so that ``start`` may follow."""
        ...

    def is_running(self, name: str) -> bool:
        """Whether the node's meta process exists."""
        ...

    def is_healthy(self, name: str) -> bool:
        """Whether the node answers that it can serve, within a second or two."""
        ...

    def leader(self) -> str | None:
        """The node whose member leads, by the view of a majority; None when there is none."""
        ...

    def digests(self) -> Mapping[str, Digest]:
        """Index and content hash of every node, each taken together; all at one index once they are even."""
        ...


class Membership(Protocol):
    """What a cluster that can change its members does beyond ``Cluster``."""

    def wipe(self, name: str, *, leave: bool = True) -> None:
        """Remove all data of a stopped node, and its member from the cluster first if it is to ``leave``."""
        ...

    def join(self, name: str, *, learner: bool = False) -> None:
        """Start a new or wiped node that joins the others."""
        ...

    def promote(self, name: str) -> None:
        """Make a learner a voter, once it has caught up."""
        ...

    def remove(self, name: str) -> None:
        """Take a running node out of the cluster and stop it."""
        ...

    def transfer(self, name: str) -> None:
        """Make the node's member the leader."""
        ...

    def snapshot_and_compact(self) -> None:
        """Take a snapshot on every reachable node, and compact the log up to it."""
        ...
