"""Clusters of real nodes, each a process with a directory, ports and an etcd of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from diag.errors import Unavailable
from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient
from tests.polling import until

Result = TypeVar("Result")

PATIENCE_MS = 30_000

#: For a node that is to be refused.
BRIEFLY = ["--wait-leader-timeout", "3000"]


class Cluster:
    """Nodes by id. The first one added founds the cluster, and the others join through it."""

    def __init__(self, directory: Path, scratch: Path) -> None:
        self.directory = directory
        self.nodes: dict[int, NodeProcess] = {}
        self._scratch = scratch

    def add(self, node_id: int, *flags: str, joins: Sequence[str] | None = None) -> NodeProcess:
        """A node that is not started yet."""
        if joins is None:
            joins = [node.raft for node in list(self.nodes.values())[:1]]
        node = NodeProcess(
            self.directory / f"node-{node_id}",
            [
                *("--id", str(node_id), "--log-engine", "etcd"),
                *("--raft-advertise-host", "127.0.0.1", "--grpc-api-advertise-host", "127.0.0.1"),
                *("--wait-leader-timeout", str(PATIENCE_MS), "--log-stderr-on", "--log-stderr-level", "INFO"),
                *flags,
            ],
            scratch=self._scratch,
            timeout=2 * PATIENCE_MS / 1000,
            joins=joins,
        )
        self.nodes[node_id] = node
        return node

    def start(self, *node_ids: int) -> None:
        """Start nodes, one after the other, each ready before the next."""
        for node_id in node_ids:
            self.nodes[node_id].start()
            until(lambda node_id=node_id: ready(self.nodes[node_id]), 60)  # type: ignore[misc]

    def stop(self) -> None:
        """Stop what runs."""
        for node in self.nodes.values():
            if node.runs:
                node.stop()

    @property
    def endpoints(self) -> list[str]:
        """Where clients reach the nodes."""
        return [node.grpc for node in self.nodes.values()]

    def leader(self) -> int:
        """The id of the leader that a running node knows, once there is one."""
        found: list[int] = []

        def look() -> bool:
            for node in self.nodes.values():
                leader = status(node)["leader"] if node.runs else None
                if leader is not None:
                    found.append(int(leader["name"]))
                    return True
            return False

        until(look)
        return found[-1]


@contextmanager
def cluster_of(directory: Path, scratch: Path, count: int = 3, *flags: str) -> Iterator[Cluster]:
    """``count`` nodes that are ready; none is left on exit."""
    cluster = Cluster(directory, scratch)
    for node_id in range(1, count + 1):
        cluster.add(node_id, *flags)
    try:
        cluster.start(*cluster.nodes)
        yield cluster
    finally:
        cluster.stop()


def get(node: NodeProcess, path: str) -> httpx.Response:
    """What its admin API answers."""
    return httpx.get(f"http://{node.admin}{path}", timeout=30, trust_env=False)


def status(node: NodeProcess) -> dict[str, Any]:
    """``/v1/cluster/status``."""
    answer: dict[str, Any] = get(node, "/v1/cluster/status").json()
    return answer


def names(cluster: Cluster) -> list[str]:
    """The members' names, by node 1; the unnamed are none."""
    return [node["name"] for node in get(cluster.nodes[1], "/v1/cluster/nodes").json()]


def ready(node: NodeProcess) -> bool:
    """Whether it would be sent traffic."""
    node.check()
    try:
        return get(node, "/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def level(cluster: Cluster) -> bool:
    """Whether all running nodes have applied the same entry, and hold as much."""
    told = [status(node) for node in cluster.nodes.values() if node.runs]
    return len({(one["last_applied"]["index"], one["last_seq"], one["key_count"]) for one in told}) == 1


def call(
    endpoints: Sequence[str] | NodeProcess, work: Callable[[MetaClient], Coroutine[Any, Any, Result]]
) -> Result:
    """Do some work with a client of these endpoints, or of one node."""

    async def run() -> Result:
        places = [endpoints.grpc] if isinstance(endpoints, NodeProcess) else list(endpoints)
        async with MetaClient(places) as client:
            return await work(client)

    return asyncio.run(run())


def put(node: NodeProcess, key: str, value: bytes = b"v") -> None:
    """One write through that node."""
    call(node, lambda client: client.put(key, value))


def values(node: NodeProcess, prefix: str) -> dict[str, bytes]:
    """The records of a prefix, read at that node."""

    async def read(client: MetaClient) -> dict[str, bytes]:
        return {key: record.data async for key, record in client.list(prefix)}

    return call(node, read)


def refusal(node: NodeProcess) -> str:
    """Why the node does not start. It must end by itself, with a code that is not 0, and in a sentence."""
    try:
        node.start()
    except Unavailable as failure:
        said = str(failure)
    else:
        raise AssertionError("the node started")
    assert "The node ended with status" in said, said
    assert "status 0." not in said
    assert "Traceback" not in said
    return said.rpartition("diag: ")[2]
