"""The cluster's snapshots over a log in memory: one entry, one content, and a log that shrinks behind."""

import asyncio
from pathlib import Path

import pytest

from diag.errors import (
    Damaged,
    StoreError,
)
from diag.replication.housekeeping import Due
from tests.polling import until_async
from tests.replication.cluster import make, nodes, put
from tests.replication.memory_log import MemoryLog, ended

pytestmark = pytest.mark.anyio


async def test_snapshots_are_of_one_entry_on_every_node(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 3, memory) as made:
        writes = [made[0].log.propose(put(f"k{number}")) for number in range(50)]
        asked = asyncio.ensure_future(made[1].log.snapshot())
        await asyncio.gather(*writes, made[0].log.propose(put("in the marker's record")))
        facts = await asked
        await until_async(lambda: all(node.compactions for node in made))
        snapshots = [node.log.status().snapshot for node in made]
        assert {one.log_id for one in snapshots if one} == {facts.log_id}
        assert {one.content_hash for one in snapshots if one} == {facts.content_hash}
        for node in made:
            purged = node.log.status().purged
            assert purged is not None
            assert purged.index == facts.log_id.index


async def test_a_marker_amid_other_commands_is_reported(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        before = node.log.propose(put("a"))
        asked = asyncio.ensure_future(node.log.snapshot())
        await asyncio.gather(before, *(node.log.propose(put(f"k{number}")) for number in range(20)))
        facts = await asked
        await until_async(lambda: node.compactions)
        purged = node.log.status().purged
        assert purged is not None
        assert purged.index == facts.log_id.index


async def test_a_snapshot_holds_what_was_acknowledged_before(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as made:
        for turn in range(10):
            await made[1].log.propose(put(f"k{turn}"))
            work = [node.log.snapshot() for node in made for _ in range(3)]
            for facts in await asyncio.gather(*work):
                assert facts.key_count >= turn + 1
        await until_async(lambda: not made[0].log.counters().snapshot_building)
        assert made[0].log.counters().snapshot_written_entries > 0


async def test_snapshots_are_made_by_themselves_by_count_and_by_size(tmp_path: Path) -> None:
    for due in (Due(10, 1 << 40), Due(1 << 40, 10_000)):
        async with nodes(tmp_path / str(due.commands), 2, due=due) as made:
            await made[1].log.propose(put("small"))
            assert made[1].log.status().snapshot is None
            for number in range(12):
                await made[1].log.propose(put(f"k{number}", b"v" * 1000))
            await until_async(lambda made=made: all(node.compactions for node in made))  # type: ignore[misc]


async def test_a_node_that_was_down_at_the_marker_does_not_stop_compaction(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 3, memory) as made:
        await made[2].log.stop()
        await made[0].log.snapshot()
        await until_async(lambda: made[0].compactions and made[1].compactions)


async def test_a_snapshot_that_fails_is_told_and_the_node_goes_on(tmp_path: Path) -> None:
    async with nodes(tmp_path, due=Due(5, 1 << 40)) as (node,):
        (tmp_path / "1" / "snapshots").write_bytes(b"a file is in the way")
        assert isinstance(await ended(node.log.snapshot()), StoreError)
        for number in range(10):
            await node.log.propose(put(f"k{number}"))
        await until_async(lambda: not node.log.counters().snapshot_building)
        await asyncio.sleep(0.4)
        assert not node.log.failed.done()
        (tmp_path / "1" / "snapshots").unlink()
        assert (await node.log.snapshot()).key_count == 10


async def test_a_forked_state_serves_no_more_until_it_is_replaced(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 3, memory) as made:
        with made[2].store.write() as txn:
            txn.set_features(("forked",))
        await made[0].log.snapshot()
        assert isinstance(await asyncio.wait_for(made[2].log.failed, 10), Damaged)
        assert not made[0].log.failed.done()
        assert not made[1].log.failed.done()
        await made[2].log.stop()
        await until_async(lambda: made[0].compactions and made[1].compactions)
        memory.compacted = 0
        fresh = make(tmp_path / "fresh", memory, 3, 3)
        await fresh.log.start()
        await asyncio.sleep(0.6)
        assert not fresh.log.failed.done(), "what it reported before is not of this state"
        await fresh.log.stop()
