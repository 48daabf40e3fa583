"""A cluster of three nodes for measurements: two processes, and one node in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from diag.config import load_config
from diag.node import Node
from diag.perf.node_process import NEVER, NO_SNAPSHOTS, NodeProcess, free_ports
from diag.replication.cluster import ClusterEngine

_FLAGS = (*("--log-engine", "etcd", "--raft-advertise-host", "127.0.0.1"), *NO_SNAPSHOTS)


@dataclass(frozen=True)
class ThreeNodes:
    """The founder's process, which leads at first, and the engine of the third node, a follower, here."""

    founder: NodeProcess
    engine: ClusterEngine


def founders_dir(directory: Path) -> Path:
    """The raft_dir of the first node in ``directory``."""
    return directory / "1" / "raft"


@asynccontextmanager
async def three_nodes(directory: Path, within: float = 30.0) -> AsyncIterator[ThreeNodes]:
    """Three that run. They begin on a state that lies in ``founders_dir``.

    ``within`` is how many seconds each may take to start, with what it fetches from the others.
    """
    patience = round(within * 1000)
    shared = [*_FLAGS, "--wait-leader-timeout", str(patience)]
    async with AsyncExitStack() as running:
        first = NodeProcess(
            directory / "1",
            [*shared, "--id", "1"],
            timeout=within,
            raft_dir=founders_dir(directory),
        )
        second = NodeProcess(directory / "2", [*shared, "--id", "2"], joins=[first.raft], timeout=within)
        for process in (first, second):
            await asyncio.to_thread(process.start)
            running.callback(process.stop)
        node = _third(directory / "3", first.raft, patience)
        await node.start()
        running.push_async_callback(node.stop)
        assert isinstance(node.engine, ClusterEngine)
        yield ThreeNodes(first, node.engine)


def _third(directory: Path, joins: str, patience: int) -> Node:
    grpc, admin, raft = free_ports(3)
    keys = {
        "raft_config.id": 3,
        "raft_config.log_engine": "etcd",
        "raft_config.join": [joins],
        "raft_config.raft_dir": str(directory),
        "raft_config.raft_api_port": raft,
        "raft_config.raft_advertise_host": "127.0.0.1",
        "raft_config.snapshot_logs_since_last": NEVER,
        "raft_config.wait_leader_timeout": patience,
        "grpc_api_address": f"127.0.0.1:{grpc}",
        "admin_api_address": f"127.0.0.1:{admin}",
    }
    return Node(load_config(None, keys, {}))
