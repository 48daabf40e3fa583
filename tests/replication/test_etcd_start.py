"""The cluster's engine as it starts and stops, in every phase of either."""

import asyncio
from pathlib import Path

import pytest

from diag.errors import (
    Compacted,
    Damaged,
    Unavailable,
)
from diag.kv.commands import Transacted
from diag.kv.store import Store
from tests.polling import until_async
from tests.replication.cluster import make, nodes, put
from tests.replication.memory_log import MemoryLog, ended

pytestmark = pytest.mark.anyio


async def test_stop_finishes_what_was_proposed_and_refuses_the_rest(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        proposed = [asyncio.ensure_future(node.log.propose(put(f"k{number}"))) for number in range(5000)]
        await asyncio.sleep(0)
        await node.log.stop()
        assert isinstance(await ended(node.log.propose(put("late"))), Unavailable)
        assert all([isinstance(await task, Transacted) for task in proposed])
    with Store.open(tmp_path / "1" / "store") as store, store.read() as txn:
        assert txn.key_count() == 5000


async def test_a_stop_in_each_phase_of_a_start(tmp_path: Path) -> None:
    memory = MemoryLog()
    for phase in range(12):
        node = make(tmp_path, memory)
        starting = asyncio.ensure_future(node.log.start())
        for _ in range(phase):
            await asyncio.sleep(0.002 if phase > 6 else 0)
        await asyncio.wait_for(node.log.stop(), 10)
        result = await ended(starting)
        assert result is None or isinstance(result, (Unavailable, asyncio.CancelledError))
    node = make(tmp_path, memory)
    node.source.frozen = node.other.frozen = True
    starting = asyncio.ensure_future(node.log.start())
    await until_async(lambda: node.source.heads)
    await node.log.stop()
    assert isinstance(await ended(starting), Unavailable)


async def test_a_start_that_is_cancelled_can_be_stopped(tmp_path: Path) -> None:
    node = make(tmp_path, MemoryLog())
    node.source.frozen = node.other.frozen = True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(node.log.start(), 0.05)
    await node.log.stop()
    Store.open(tmp_path / "1" / "store").close()


async def test_a_start_goes_on_where_the_store_ends(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory) as (node,):
        await asyncio.gather(*(node.log.propose(put(f"k{number}")) for number in range(100)))
    async with nodes(tmp_path, 1, memory) as (node,):
        assert node.log.status().last_applied.index == 102
        await node.log.propose(put("one more"))
        assert node.log.status().key_count == 101


async def test_a_start_refuses_another_history(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory) as (node,):
        await node.log.propose(put("a"))
    older = make(tmp_path, MemoryLog(memory.entries[:1]))
    with pytest.raises(Damaged, match="older state"):
        await older.log.start()
    await older.log.stop()
    other = make(tmp_path, memory)
    other.view.seen = type(other.view.seen)(cluster=78)
    with pytest.raises(Damaged, match="another cluster"):
        await other.log.start()
    await other.log.stop()


async def test_a_start_waits_until_the_cluster_is_known(tmp_path: Path) -> None:
    node = make(tmp_path, MemoryLog())
    seen, node.view.seen = node.view.seen, type(node.view.seen)()
    starting = asyncio.ensure_future(node.log.start())
    await until_async(lambda: node.source.heads >= 2)
    assert not starting.done()
    node.view.seen = seen
    await starting
    await node.log.stop()


async def test_a_start_behind_the_log_needs_a_snapshot(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path / "first", 1, memory) as (node,):
        await node.log.propose(put("a"))
    memory.compacted = 6
    late = make(tmp_path / "second", memory, 2)
    with pytest.raises(Compacted):
        await late.log.start()
    assert isinstance(late.log.failed.result(), Compacted)
    await late.log.stop()


async def test_strict_reads_write(tmp_path: Path) -> None:
    async with nodes(tmp_path, strict_reads=True) as (node,):
        assert await node.log.read_index() == 2
        assert node.source.heads == 1, "that of the start"
