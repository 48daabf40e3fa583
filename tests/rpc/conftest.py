import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rpc.harness import RawClient, RpcNode, Transport


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="package", autouse=True)
async def one_loop(anyio_backend: str) -> None:
    """Keeps one event loop for all tests: grpc.aio hands late completions of one loop to the next."""


@pytest.fixture(params=["nghttp2", "grpcio"])
def transport(request: pytest.FixtureRequest) -> Transport:
    name: Transport = request.param
    return name


@pytest.fixture
async def node(tmp_path: Path, transport: Transport) -> AsyncIterator[RpcNode]:
    async with RpcNode(tmp_path, transport) as node:
        yield node


@pytest.fixture
async def raw(node: RpcNode) -> AsyncIterator[RawClient]:
    async with node.raw() as client:
        yield client


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
