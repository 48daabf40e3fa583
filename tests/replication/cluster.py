"""Nodes of a cluster over one log in memory, in one process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diag.kv.commands import Branch, Put, Transaction
from diag.kv.digest import hash_content
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import DEFAULT_MAP_SIZE, Store
from diag.replication import LogId, NodeAddress
from diag.replication.etcd import ClusterLog, Ways
from diag.replication.housekeeping import Due
from diag.replication.machine import Machine
from diag.replication.sources import Sources
from diag.replication.view import Seen
from tests.replication.memory_log import MemoryLog, MemorySource

NOW = 1_795_451_457_069
NEVER = Due(1 << 60, 1 << 60)


def put(key: str, value: bytes = b"v") -> Transaction:
    return Transaction((Branch(None, (Put(key, value),)),))


def address(node_id: int) -> NodeAddress:
    return NodeAddress(node_id, str(node_id), "127.0.0.1", 28100 + node_id, f"127.0.0.1:{9190 + node_id}")


class Spectator:
    """A view that is told what it sees."""

    def __init__(self, node_id: int, count: int, leader: int = 1) -> None:
        voters = tuple(address(number) for number in range(1, count + 1))
        self.seen = Seen(
            cluster=77,
            state="Leader" if node_id == leader else "Follower",
            term=2,
            leader=address(leader),
            voters=voters,
            member_of=tuple((number, 1000 + number) for number in range(1, count + 1)),
        )


@dataclass
class Node:
    """One node's parts, within reach of a test."""

    store: Store
    log: ClusterLog
    view: Spectator
    source: MemorySource
    other: MemorySource
    compactions: list[int] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)  # that do not answer this one


def make(path: Path, memory: MemoryLog, node_id: int = 1, count: int = 1, **options: Any) -> Node:
    """A node that is not started; it has two ways to the log."""
    map_size = options.pop("map_size", DEFAULT_MAP_SIZE)
    store = Store.open(path / str(node_id) / "store", node_id=node_id, map_size=map_size, sync=False)
    view: Any = Spectator(node_id, count)
    source, other = memory.source(f"own of {node_id}"), memory.source(f"peer of {node_id}")
    compactions: list[int] = []
    moves: list[int] = []

    async def compact(revision: int) -> None:
        compactions.append(revision)
        memory.compacted = max(memory.compacted, revision)

    async def move(member: int) -> None:
        moves.append(member)

    def progress() -> dict[int, LogId]:
        return {}

    silent: set[int] = set()

    async def ask(node_id: int) -> None:
        if node_id in silent:
            await asyncio.Event().wait()

    settings: dict[str, Any] = {"due": NEVER, "patience": 20.0} | options
    log = ClusterLog(
        store,
        address(node_id),
        SnapshotStore(path / str(node_id) / "snapshots"),
        lambda: NOW,
        Sources([source, other]),
        view,
        Ways(compact, move, progress, ask),
        **settings,
    )
    return Node(store, log, view, source, other, compactions, moves, silent)


@contextlib.asynccontextmanager
async def nodes(
    path: Path, count: int = 1, memory: MemoryLog | None = None, **options: Any
) -> AsyncIterator[list[Node]]:
    """Started nodes 1 to ``count``."""
    shared = memory or MemoryLog()
    made = [make(path, shared, number, count, **options) for number in range(1, count + 1)]
    try:
        for node in made:
            await node.log.start()
        yield made
    finally:
        for node in made:
            await node.log.stop()


def content(node: Node) -> str:
    """The hash of a node's state."""
    with node.store.read() as txn:
        return hash_content(txn)


def level(made: Sequence[Node], memory: MemoryLog) -> bool:
    """Whether all have applied all there is."""
    last = memory.entries[-1].version if memory.entries else 0
    return all(Machine(node.store).figures().ledger.version == last for node in made)
