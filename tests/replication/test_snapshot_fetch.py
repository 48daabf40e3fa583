"""Snapshots from real other nodes, over connections that break."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from diag.errors import NoSpace, Unavailable
from diag.kv.commands import Branch, Put, Transaction
from diag.kv.snapshot import SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication import SnapshotFacts
from diag.replication.peer_client import PeerClient
from diag.replication.snapshot_fetch import fetch_snapshot
from tests.limits import files_up_to
from tests.polling import until_async
from tests.rpc.peer_harness import PeerNode

pytestmark = pytest.mark.anyio

MIB = 1 << 20
PART = ".fetching-*/data.mdb"
AROUND = 64 << 10  # what is sent beside the file


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


@pytest.fixture
def here(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "here")


class Line:
    """A connection to a node that the test can cut: it lets ``limit`` bytes of answers through.

    It is cut once ``arrived``, as a connection that ends takes back what gRPC has received and nobody read.
    """

    def __init__(
        self, node: PeerNode, limit: float = float("inf"), arrived: Callable[[], bool] = lambda: True
    ) -> None:
        self._node = node
        self._limit = limit
        self._arrived = arrived
        self.passed = 0

    @asynccontextmanager
    async def client(self) -> AsyncIterator[PeerClient]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        client = PeerClient(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        try:
            yield client
        finally:
            await client.close()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self._node.port)
        asking = asyncio.ensure_future(_pump(reader, their_writer))
        try:
            while self.passed < self._limit and (data := await their_reader.read(64 << 10)):
                self.passed += len(data)
                writer.write(data)
                await writer.drain()
            await until_async(self._arrived)
        except ConnectionError:
            pass
        finally:
            asking.cancel()
            their_writer.close()
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(64 << 10):
        writer.write(data)
        await writer.drain()


async def _snapshot(node: PeerNode, letter: str = "k") -> SnapshotFacts:
    puts = tuple(Put(f"{letter}{number}", b"v" * 1000) for number in range(4000))
    await node.log.propose(Transaction((Branch(None, puts),)))
    return await node.log.snapshot()


def _copy(facts: SnapshotFacts, node: PeerNode) -> Path:
    """The same snapshot at another node."""
    target = node.snapshots.root / facts.path.name
    shutil.copytree(facts.path, target)
    return target


def _came(store: SnapshotStore) -> int:
    """Bytes that have come of a snapshot that is not whole yet."""
    return sum(part.stat().st_size for part in store.root.glob(PART))


async def test_no_peers_and_peers_without_snapshots(nodes: list[PeerNode], here: SnapshotStore) -> None:
    for peers in ([], [node.peer() for node in nodes]):
        with pytest.raises(Unavailable, match=f"The {len(peers)} other nodes asked say: they hold none"):
            await fetch_snapshot(peers, here, 9)
    assert here.all() == []


async def test_the_newest_is_fetched_and_can_be_restored(
    nodes: list[PeerNode], here: SnapshotStore, tmp_path: Path
) -> None:
    await _snapshot(nodes[0])
    newest = await _snapshot(nodes[0], "l")
    await _snapshot(nodes[1])
    info = await fetch_snapshot([node.peer() for node in nodes], here, 9)
    assert (info.position, info.content_hash) == (Position(*newest.log_id), newest.content_hash)
    assert here.all() == [info]
    here.restore(info, tmp_path / "restored")
    with Store.open(tmp_path / "restored", node_id=9) as restored, restored.read() as txn:
        assert (txn.key_count(), txn.applied()) == (8000, Position(*newest.log_id))


async def test_one_of_a_wanted_index_or_none(nodes: list[PeerNode], here: SnapshotStore) -> None:
    newest = await _snapshot(nodes[0])
    with pytest.raises(Unavailable, match=f"of index {newest.log_id.index + 1} or later"):
        await fetch_snapshot([nodes[0].peer()], here, 9, at_least=newest.log_id.index + 1)
    await fetch_snapshot([nodes[0].peer()], here, 9, at_least=newest.log_id.index)


async def test_a_break_in_mid_file_costs_only_what_was_missing(
    nodes: list[PeerNode], here: SnapshotStore
) -> None:
    newest = await _snapshot(nodes[0])
    async with Line(nodes[0], 3 * MIB, lambda: _came(here) >= MIB).client() as cut:
        with pytest.raises(Unavailable, match="cannot be reached, or broke off"):
            await fetch_snapshot([cut], here, 9)
    missing = newest.size - _came(here)
    assert missing <= newest.size - MIB
    line = Line(nodes[0])
    async with line.client() as whole:
        info = await fetch_snapshot([whole], here, 9)
    assert info.content_hash == newest.content_hash
    assert missing < line.passed < missing + AROUND
    assert [path.name for path in here.root.iterdir()] == [info.path.name]


async def test_what_was_begun_is_gone_on_with_though_there_is_a_newer_if_it_is_known_to_do(
    nodes: list[PeerNode], here: SnapshotStore
) -> None:
    begun = await _snapshot(nodes[0])
    async with Line(nodes[0], 3 * MIB, lambda: _came(here) >= MIB).client() as cut:
        with pytest.raises(Unavailable):
            await fetch_snapshot([cut], here, 9)
    newer = await _snapshot(nodes[0], "l")
    peers, wanted = [nodes[0].peer()], begun.log_id.index
    assert (await fetch_snapshot(peers, here, 9, at_least=wanted)).position == Position(*begun.log_id)
    assert (await fetch_snapshot([nodes[0].peer()], here, 9)).position == Position(*newer.log_id)
    assert [info.position for info in here.all()] == [Position(*newer.log_id), Position(*begun.log_id)]


async def test_another_node_is_tried_and_goes_on_where_the_first_broke_off(
    nodes: list[PeerNode], here: SnapshotStore
) -> None:
    facts = await _snapshot(nodes[0])
    _copy(facts, nodes[1])
    line = Line(nodes[1])
    async with Line(nodes[0], 3 * MIB, lambda: _came(here) >= MIB).client() as cut, line.client() as whole:
        info = await fetch_snapshot([cut, whole], here, 9)
    assert info.content_hash == facts.content_hash
    assert 0 < line.passed < facts.size - MIB + AROUND


async def test_a_node_whose_file_or_facts_are_wrong_is_passed_over(
    nodes: list[PeerNode], here: SnapshotStore
) -> None:
    facts = await _snapshot(nodes[0])
    wrong = _copy(facts, nodes[1])
    damaged = bytearray((wrong / "data.mdb").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (wrong / "data.mdb").write_bytes(damaged)
    peers = [nodes[1].peer(), nodes[0].peer()]
    with pytest.raises(Unavailable, match="its hash differs"):
        await fetch_snapshot(peers[:1], here, 9)
    assert list(here.root.iterdir()) == []
    assert (await fetch_snapshot(peers, here, 9)).content_hash == facts.content_hash

    (wrong / "data.mdb").write_bytes((facts.path / "data.mdb").read_bytes())
    said = json.loads((wrong / "snapshot.json").read_text())
    (wrong / "snapshot.json").write_text(json.dumps({**said, "content_hash": "0" * 64}))
    with pytest.raises(Unavailable, match="other content than its hash says"):
        await fetch_snapshot(peers[:1], here, 9)
    assert (await fetch_snapshot(peers, here, 9)).content_hash == facts.content_hash


async def test_a_part_that_was_damaged_here_is_fetched_anew(
    nodes: list[PeerNode], here: SnapshotStore
) -> None:
    facts = await _snapshot(nodes[0])
    async with Line(nodes[0], 3 * MIB, lambda: _came(here) >= MIB).client() as cut:
        with pytest.raises(Unavailable):
            await fetch_snapshot([cut], here, 9)
    (part,) = here.root.glob(PART)
    part.write_bytes(b"\0" * part.stat().st_size)
    info = await fetch_snapshot([nodes[0].peer()], here, 9)
    assert info.content_hash == facts.content_hash


async def test_a_node_that_is_down_is_passed_over(nodes: list[PeerNode], here: SnapshotStore) -> None:
    facts = await _snapshot(nodes[1])
    await nodes[0].server.stop(0)
    info = await fetch_snapshot([node.peer() for node in nodes], here, 9)
    assert info.position == Position(*facts.log_id)


async def test_a_full_disk_leaves_nothing_behind(nodes: list[PeerNode], here: SnapshotStore) -> None:
    await _snapshot(nodes[0])
    with files_up_to(2 * MIB), pytest.raises(NoSpace, match="free space"):
        await fetch_snapshot([node.peer() for node in nodes], here, 9)
    assert list(here.root.iterdir()) == []
    await fetch_snapshot([nodes[0].peer()], here, 9)
