"""The log as it grows, followed through another node."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diag.errors import Compacted, Unavailable
from diag.replication.source import Entry
from tests.polling import until_async
from tests.rpc.harness import Transport
from tests.rpc.peer_harness import PeerNode

pytestmark = pytest.mark.anyio


@pytest.fixture
async def peer_node(tmp_path: Path, transport: Transport) -> AsyncIterator[PeerNode]:
    async with PeerNode(tmp_path, transport) as node:
        yield node


async def test_an_empty_log_shows_that_it_lives(peer_node: PeerNode) -> None:
    async with asyncio.timeout(10):
        assert await anext(peer_node.peer_source().tail(11)) == []


async def test_records_come_in_order_from_the_revision_on(peer_node: PeerNode) -> None:
    for number in range(3):
        await peer_node.source.append(b"%d" % number)
    tail = peer_node.peer_source().tail(12)
    assert await _entries(tail, 2) == [Entry(2, 12, b"1"), Entry(3, 13, b"2")]
    await peer_node.source.append(b"later")
    assert await _entries(tail, 1) == [Entry(4, 14, b"later")]


async def test_records_of_the_largest_size_come_one_a_message(peer_node: PeerNode) -> None:
    for letter in (b"a", b"b"):
        await peer_node.source.append(letter * (16 << 20))
    tail = peer_node.peer_source().tail(1)
    assert [entry.record[:1] for entry in await _entries(tail, 2)] == [b"a", b"b"]


async def test_a_log_that_no_longer_goes_back_says_from_where_it_does(peer_node: PeerNode) -> None:
    peer_node.source.compacted = 500
    with pytest.raises(Compacted, match="begins at 500") as caught:
        await anext(peer_node.peer_source().tail(499))
    assert caught.value.revision == 500


async def test_a_source_that_breaks_ends_the_tail(peer_node: PeerNode) -> None:
    await peer_node.source.append(b"r")
    tail = peer_node.peer_source().tail(1)
    await _entries(tail, 1)
    peer_node.source.broken = Unavailable("etcd is gone")
    peer_node.source.wake()
    with pytest.raises(Unavailable, match="etcd is gone"):
        await _entries(tail, 1)


async def test_a_log_that_gives_no_answer_shows_no_life(peer_node: PeerNode) -> None:
    peer_node.source.failure = Unavailable("no leader")
    with pytest.raises(Unavailable, match=r"said nothing for 2\.5 s"):
        await anext(peer_node.peer_source(silence=2.5).tail(1))


async def test_a_tail_that_stands_still_while_the_log_grows_ends(peer_node: PeerNode) -> None:
    peer_node.source.frozen = True
    await peer_node.source.append(b"r")
    with pytest.raises(Unavailable, match="records up to revision 11, and brings none after 0"):
        await _entries(peer_node.peer_source().tail(1), 1)


async def test_a_node_that_stops_ends_its_tails_at_once(peer_node: PeerNode) -> None:
    tail = peer_node.peer_source().tail(1)
    following = asyncio.ensure_future(_entries(tail, 1))
    await until_async(lambda: peer_node.source.tails == 1)
    await asyncio.wait_for(peer_node.server.stop(60), 10)
    with pytest.raises(Unavailable, match="is stopping"):
        await following
    await until_async(lambda: peer_node.source.tails == 0)


async def test_a_reader_that_does_not_read_is_not_read_for(peer_node: PeerNode) -> None:
    record = b"r" * (1 << 20)
    for _ in range(100):
        await peer_node.source.append(record)
    tail, other = peer_node.peer_source().tail(1), peer_node.peer()
    for read in range(1, 101):
        await _entries(tail, 1)
        for _ in range(5):  # time for the service to run ahead, if it would
            await other.status()
        assert peer_node.source.taken - read < 32


async def test_a_reader_that_leaves_while_much_waits_for_it_ends_the_tail(peer_node: PeerNode) -> None:
    for _ in range(100):
        await peer_node.source.append(b"r" * (1 << 20))
    tail = peer_node.peer_source().tail(1)
    await _entries(tail, 1)
    await tail.aclose()
    await until_async(lambda: peer_node.source.tails == 0)


async def _entries(tail: AsyncIterator[object], count: int) -> list[Entry]:
    """The next ``count`` records, signs of life left out."""
    found: list[Entry] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += await anext(tail)  # type: ignore[arg-type]
    return found
