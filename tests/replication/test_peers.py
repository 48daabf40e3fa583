"""The other nodes by id: real ones, whose membership and addresses the test changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diag.errors import NotFound, Unavailable
from diag.replication import Question
from diag.replication.peers import GrpcPeers
from tests.rpc.peer_harness import PeerNode

pytestmark = pytest.mark.anyio

ASK = Question("GET", "/v1/health", {})


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
async def one_loop(anyio_backend: str) -> None:
    """Keeps one event loop for all tests: grpc.aio hands late completions of one loop to the next."""


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[PeerNode]]:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with PeerNode(tmp_path / "a", "nghttp2") as one, PeerNode(tmp_path / "b", "nghttp2") as two:
        yield [one, two]


async def test_no_members() -> None:
    peers = GrpcPeers(dict)
    assert peers.others(1) == []
    with pytest.raises(NotFound, match="node 1 is not a member; the members are \\[\\]"):
        await peers.ask(1, ASK)
    await peers.close()


async def test_members_are_asked_by_id(nodes: list[PeerNode]) -> None:
    members: dict[int, str | None] = {1: nodes[0].endpoint, 2: nodes[1].endpoint, 3: None}
    peers = GrpcPeers(lambda: members)
    for node_id in (1, 2):
        answer = await peers.ask(node_id, ASK)
        assert [part async for part in answer.body] == [b"GET /v1/health {}"]
    with pytest.raises(Unavailable, match="publishes no gRPC address"):
        await peers.ask(3, ASK)
    with pytest.raises(NotFound, match="the members are \\[1, 2, 3\\]"):
        await peers.ask(4, ASK)
    assert [client.address for client in peers.others(1)] == [nodes[1].endpoint]
    assert peers.client(2) is peers.client(2)
    await peers.close()


async def test_a_member_that_moved_is_reached_at_its_new_address(nodes: list[PeerNode]) -> None:
    members: dict[int, str | None] = {1: nodes[0].endpoint}
    peers = GrpcPeers(lambda: members)
    await peers.ask(1, ASK)
    members[1] = nodes[1].endpoint
    await nodes[0].server.stop(0)
    answer = await peers.ask(1, ASK)
    assert answer.status == 203
    del members[1]
    with pytest.raises(NotFound):
        await peers.ask(1, ASK)
    await peers.close()


async def test_a_member_that_is_down_is_unavailable_by_name(nodes: list[PeerNode]) -> None:
    peers = GrpcPeers(lambda: {1: nodes[0].endpoint})
    await nodes[0].server.stop(0)
    with pytest.raises(Unavailable, match=f"node 1 at {nodes[0].endpoint} cannot be reached"):
        await peers.ask(1, ASK)
    await peers.close()
