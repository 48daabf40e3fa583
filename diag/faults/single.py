"""A cluster of one: an embedded node, on which the harness itself is tried."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc.aio
import httpx

from diag.errors import Unavailable
from diag.faults import processes
from diag.faults.clock import Clock
from diag.faults.cluster import Digest, Pids
from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient


class SingleNode:
    """``diag serve --single`` in ``directory``, under the protocol of a cluster, with a clock if given."""

    NAME = "n1"

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        self.names: Sequence[str] = (self.NAME,)
        self.network = None
        self._running = False
        self._clock = clock
        self._node = NodeProcess(directory, environment=clock.environment if clock else None)

    def disk(self, name: str) -> None:
        """It lies on the machine's own disk."""

    def clock(self, name: str) -> Clock | None:
        return self._clock

    def answers(self, name: str) -> None:
        """There is no member between the node and its log."""

    def endpoint(self, name: str) -> str:
        return self._node.grpc

    def start(self, name: str) -> None:
        self._node.start()
        self._running = True

    def stop(self, name: str) -> None:
        self._running = False
        self._node.stop()

    def pids(self, name: str) -> Pids:
        return Pids(self._node.pid, None)

    def killed(self, name: str) -> None:
        self._running = False
        self._node.kill()

    def is_running(self, name: str) -> bool:
        return self._running and processes.is_running(self._node.pid)

    def is_healthy(self, name: str) -> bool:
        try:
            return httpx.get(f"http://{self._node.admin}/v1/health", timeout=1).is_success
        except httpx.TransportError:
            return False

    def leader(self) -> str | None:
        return self.NAME if self.is_running(self.NAME) else None

    def digests(self) -> Mapping[str, Digest]:
        """Of its export. Raises Unavailable while writes land in between, or when nothing answers."""
        before = self._applied()
        try:
            content = asyncio.run(_export_hash(self._node.grpc))
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"The node does not export: {error.details()}") from error
        if self._applied() != before:
            raise Unavailable("The node applies writes; its state and its index cannot be taken together.")
        return {self.NAME: Digest(before, content)}

    def _applied(self) -> int:
        try:
            answer = httpx.get(f"http://{self._node.admin}/v1/cluster/status", timeout=2)
        except httpx.TransportError as error:
            raise Unavailable(f"The node does not tell its status: {error}") from error
        return int(answer.json()["last_applied"]["index"])


async def _export_hash(endpoint: str) -> str:
    content = hashlib.sha256()
    async with MetaClient([endpoint]) as client:
        async for line in client.export():
            content.update(line.encode() + b"\n")
    return content.hexdigest()
