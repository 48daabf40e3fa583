"""The cluster's engine while its log, its disk or another process fails it."""

import asyncio
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diag.errors import (
    Conflict,
    Damaged,
    NoSpace,
    NotInTime,
    Unavailable,
)
from diag.kv.commands import Branch, FetchIncrease, Put, Transacted, Transaction
from diag.kv.view import Reader
from diag.replication.source import Entry
from tests.polling import until_async
from tests.replication.cluster import NOW, Node, content, level, make, nodes, put
from tests.replication.memory_log import Fate, MemoryLog, ended

pytestmark = pytest.mark.anyio


async def test_an_answer_that_is_lost_does_not_make_it_twice(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 2, memory) as made:
        for fate in (Fate.UNANSWERED, Fate.LOST, Fate.LATE):
            memory.fates = [fate]
            before = _count(made[0])
            await made[0].log.propose(_increase())
            assert _count(made[0]) == before + 1
        memory.land_late()
        await until_async(lambda: level(made, memory))
        assert [_count(node) for node in made] == [3, 3]
        assert content(made[0]) == content(made[1])


def _increase() -> Transaction:
    return Transaction((Branch(None, (FetchIncrease("n", 1),)),))


def _count(node: Node) -> int:
    found = Reader(node.store).get("n", NOW)
    return (
        0
        if found is None
        else int.from_bytes(found.data, "little")
        if len(found.data) == 8
        else int(found.data)
    )


async def test_a_late_record_of_a_process_that_is_gone_counts_for_nothing(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory, patience=0.2) as (node,):
        memory.fates = [Fate.LATE] * 1000
        lost = node.log.propose(_increase())
        assert isinstance(await ended(lost), NotInTime)
    memory.fates = []
    async with nodes(tmp_path, 1, memory) as (node,):
        await node.log.propose(put("after"))
        memory.land_late()
        await node.log.read_index()
        assert _count(node) == 0


SHUFFLES = st.sampled_from(["honest", "repeat", "lose", "reverse", "single"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fates=st.lists(st.sampled_from(Fate), max_size=12),
    lies=st.lists(SHUFFLES, max_size=12),
    seed=st.integers(0, 1 << 16),
)
def test_whatever_is_lost_late_or_repeated(fates: list[Fate], lies: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(_survive(Path(place), fates, lies, random.Random(seed)))


async def _survive(path: Path, fates: list[Fate], lies: list[str], chance: random.Random) -> None:
    """Three nodes write and read; each acknowledged write is there once, everywhere, and no read is stale."""
    memory = MemoryLog()
    async with nodes(path, 3, memory) as made:
        for node in made:
            for source in (node.source, node.other):
                source.tell = lambda entries: _told(entries, lies.pop() if lies else "honest")
        memory.fates = list(fates)
        acknowledged: set[str] = set()

        async def write(node: Node, key: str) -> None:
            reply = await node.log.propose(
                Transaction((Branch(None, (Put(key, b"v"), FetchIncrease("n", 1))),))
            )
            assert isinstance(reply, Transacted)
            acknowledged.add(key)
            if chance.random() < 0.3:
                chance.choice(made).source.cut_tails()
            if chance.random() < 0.3:
                memory.land_late()

        async def read(node: Node) -> None:
            before = set(acknowledged)
            await node.log.read_index()
            assert all(Reader(node.store).mget(sorted(before), NOW))

        for turn in range(4):
            work = [write(node, f"{turn}/{node.store.node_id}/{n}") for node in made for n in range(3)]
            await asyncio.gather(*work, *map(read, made))
            await asyncio.gather(*map(read, made))
        memory.land_late()
        await until_async(lambda: level(made, memory))
        assert len(acknowledged) == 36
        assert [_count(node) for node in made] == [36, 36, 36]
        assert len(set(map(content, made))) == 1


def _told(entries: Sequence[Entry], lie: str) -> list[Sequence[Entry]]:
    told = list(entries)
    if lie == "repeat":
        return [told, told[-1:], told]
    if lie == "lose":
        return [told[1:]]
    if lie == "reverse":
        return [told[::-1]]
    if lie == "single":
        return [[entry] for entry in told]
    return [told]


async def test_a_frozen_source_is_left_for_another(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        node.source.frozen = True
        await node.log.propose(put("a"))
        assert await node.log.read_index() == 2
        assert node.other.tails == 1


async def test_without_a_majority_callers_hear_in_time_what_is_known(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory, patience=0.3) as (node,):
        node.source.frozen = node.other.frozen = True
        first = asyncio.ensure_future(node.log.propose(put("flies")))
        await until_async(lambda: memory.appends >= 2)
        second = asyncio.ensure_future(node.log.propose(put("waits")))
        with pytest.raises(NotInTime, match="not known"):
            await first
        with pytest.raises(NotInTime, match="was not made"):
            await second
        late = asyncio.ensure_future(node.log.propose(put("waits too")))
        with pytest.raises(NotInTime, match="was not made"):
            await asyncio.wait_for(late, 5)
        with pytest.raises(NotInTime, match="majority"):
            await node.log.read_index()
        node.source.frozen = node.other.frozen = False
        await node.log.propose(put("again"))
        assert node.log.counters().proposals_pending == 0
        keys = [key for key, _ in Reader(node.store).page("", None, 9, NOW).records]
        assert keys == ["again", "flies"]


async def test_a_full_log_refuses_and_its_number_is_used_again(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory) as (node,):
        memory.refusal = NoSpace("etcd: database space exceeded")
        results = await asyncio.gather(
            node.log.propose(put("a")), node.log.propose(put("b")), return_exceptions=True
        )
        assert [type(result) for result in results] == [NoSpace, NoSpace]
        assert await node.log.read_index() == 1
        memory.refusal = None
        await node.log.propose(put("c"))
        assert [key for key, _ in Reader(node.store).page("", None, 9, NOW).records] == ["c"]


async def test_full_after_an_unknown_try_is_tried_on(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory) as (node,):
        memory.fates = [Fate.LATE]
        written = asyncio.ensure_future(node.log.propose(_increase()))
        await until_async(lambda: memory.late)
        memory.refusal = NoSpace("etcd: database space exceeded")
        appends = memory.appends
        await until_async(lambda: memory.appends > appends)
        memory.land_late()
        await written
        memory.refusal = None
        await node.log.propose(_increase())
        assert _count(node) == 2


async def test_a_process_that_another_replaced_writes_no_more(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path / "old", 1, memory) as (old,), nodes(tmp_path / "new", 1, memory) as (new,):
        await new.log.propose(put("new"))
        results = await asyncio.gather(
            *(old.log.propose(put(f"old{n}")) for n in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [Conflict] * 3
        assert isinstance(await old.log.failed, Conflict)
        assert isinstance(await ended(old.log.propose(put("old"))), Unavailable)
        assert old.log.status().state == "Shutdown"
        await new.log.propose(put("newer"))
        appends = memory.appends
        await asyncio.sleep(0.05)
        assert memory.appends == appends, "who is refused writes nothing, empty records neither"


async def test_a_failed_node_writes_nothing(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory) as (node,):
        memory.take(b"no record at all")
        assert isinstance(await node.log.failed, Damaged)
        length = len(memory.entries)
        assert isinstance(await ended(node.log.propose(put("a"))), Unavailable)
        assert isinstance(await ended(node.log.read_index()), Unavailable)
        await asyncio.sleep(0.05)
        assert len(memory.entries) == length


async def test_reads_that_wait_hear_of_a_failure_at_once(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        node.source.held = asyncio.Event()
        reading = asyncio.ensure_future(node.log.read_index())
        await until_async(lambda: node.source.heads > 1)
        node.source.log.take(b"no record of ours")
        assert isinstance(await node.log.failed, Damaged)
        assert isinstance(await ended(reading, 1.0), Unavailable)


async def test_a_full_disk_makes_this_node_unavailable_and_no_other(tmp_path: Path) -> None:
    memory = MemoryLog()
    small = make(tmp_path, memory, 1, 2, map_size=1 << 20)
    large = make(tmp_path, memory, 2, 2)
    await small.log.start()
    await large.log.start()
    try:
        await large.log.propose(put("big", b"v" * (2 << 20)))
        await until_async(lambda: _refused(small))
        assert isinstance(await ended(small.log.read_index()), Unavailable)
        assert isinstance(await ended(small.log.propose(put("a"))), Unavailable)
        await large.log.propose(put("b"))
        assert not small.log.failed.done()
    finally:
        await small.log.stop()
        await large.log.stop()


def _refused(node: Node) -> bool:
    reading = asyncio.ensure_future(node.log.read_index())
    reading.add_done_callback(lambda task: task.cancelled() or task.exception())
    status = node.log.status()
    return status.last_log_index > status.last_applied.index
