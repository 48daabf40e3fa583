"""The event loop of the async tests, and members of real etcd on loopback."""

import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_flags import EtcdSpec
from diag.replication.etcd_member import EtcdMember


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's path."""
    with tempfile.TemporaryDirectory(prefix="etcd-") as directory:
        yield Path(directory)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def specs(root: Path, count: int, *, cluster: str = "test", quota: int = 64 * 1024 * 1024) -> list[EtcdSpec]:
    """Members 1 to ``count`` of one cluster that is not started."""
    addresses = {str(number): f"127.0.0.1:{free_port()}" for number in range(1, count + 1)}
    return [
        EtcdSpec(name, root / name, at, at, cluster, addresses, quota_bytes=quota)
        for name, at in addresses.items()
    ]


@contextlib.asynccontextmanager
async def running(members: list[EtcdMember]) -> AsyncIterator[list[EtcdClient]]:
    """The members started and ready; a client of each. All of it is gone afterwards."""
    clients: list[EtcdClient] = []
    try:
        for member in members:
            await member.start(patience=0.0)
        for member in members:
            await member.wait_ready(30)
        clients += [EtcdClient([member.endpoint], deadline=5.0) for member in members]
        yield clients
    finally:
        for client in clients:
            await client.close()
        for member in members:
            await member.stop(grace=1.0)
