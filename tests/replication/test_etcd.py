"""The cluster's engine over a log in memory that fails in every way, and over a real etcd."""

import asyncio
import math
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diag.errors import (
    Compacted,
    Conflict,
    Damaged,
    InvalidRequest,
    MessageTooLarge,
    NoSpace,
    NotInTime,
    NotLeader,
    StoreError,
    Unavailable,
)
from diag.kv.commands import Branch, FetchIncrease, MatchSeq, Put, Transacted, Transaction, Upsert, Upserted
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.replication import Applied, LogId, OrderedLog, Transfer
from diag.replication.housekeeping import Due
from diag.replication.record import Author, Enter, encode, encode_command
from diag.replication.source import Entry
from tests.polling import until_async
from tests.replication.cluster import NOW, Node, address, content, level, make, nodes, put
from tests.replication.memory_log import Fate, MemoryLog, ended, honest

pytestmark = pytest.mark.anyio


async def test_a_log_of_nothing(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        checked: OrderedLog = node.log
        status = checked.status()
        assert (status.state, status.term, status.last_applied) == ("Leader", 2, LogId(2, 1, 1))
        assert (status.leader, status.voters) == (address(1), (address(1),))
        assert (status.last_seq, status.key_count, status.snapshot, status.purged) == (0, 0, None, None)
        assert not checked.reads_are_local
        assert await checked.read_index() == 1
        assert checked.counters().proposals_pending == 0
    assert node.log.status().state == "Shutdown"
    await node.log.stop()


async def test_not_started_it_tells_of_itself_and_takes_nothing(tmp_path: Path) -> None:
    node = make(tmp_path, MemoryLog())
    assert node.log.status().last_applied == LogId(0, 0, 0)
    assert node.log.counters().acknowledged_at == -math.inf
    for refused in (node.log.propose(put("a")), node.log.read_index(), node.log.snapshot()):
        assert isinstance(await ended(refused), Unavailable)
    await node.log.stop()
    assert node.log.status().state == "Shutdown"


async def test_a_reply_means_it_can_be_read_everywhere(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as made:
        reply = await made[0].log.propose(Upsert("a", MatchSeq(exact=0), b"1"))
        assert isinstance(reply, Upserted)
        for node in made:
            assert await node.log.read_index() >= 4
            assert Reader(node.store).get("a", NOW) == reply.result
        assert len(set(map(content, made))) == 1


async def test_many_at_once_are_applied_once_each_in_one_order(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 3, memory) as made:
        heard: list[list[Applied]] = [[], [], []]
        for node, mine in zip(made, heard, strict=True):
            node.log.subscribe(mine.append)
        work = [node.log.propose(put(f"{n}")) for n in range(1000) for node in made]
        replies = await asyncio.gather(*work)
        await until_async(lambda: level(made, memory))
        assert len(replies) == 3000
        assert heard[0] == heard[1] == heard[2]
        assert [one.log_id.index for one in heard[0]] == list(range(4, 3004))
        assert memory.appends < 50, "what waits goes together"


async def test_what_is_refused_fails_alone(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        log = node.log
        work = [log.propose(put(key)) for key in ("a", "k" * 5000, "\ud800", "b")]
        large = log.propose(put("large", b"v" * (17 << 20)))
        results = await asyncio.gather(*work, large, return_exceptions=True)
        assert [type(result) for result in results] == [
            Transacted,
            MessageTooLarge,
            InvalidRequest,
            Transacted,
            MessageTooLarge,
        ]
        assert log.counters().proposals_pending == 0


async def test_a_command_that_breaks_fails_alone_and_alike(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 2, memory) as made:
        broken = Transaction((Branch(None, (Put("half", b"v"), Put("broken", 5))),))  # type: ignore[arg-type]
        log = made[0].log
        results = await asyncio.gather(
            log.propose(put("a")), log.propose(broken), log.propose(put("b")), return_exceptions=True
        )
        assert [type(result) for result in results] == [Transacted, Unavailable, Transacted]
        assert log.counters().proposals_failed == 1
        await until_async(lambda: level(made, memory))
        assert content(made[0]) == content(made[1])
        assert [key for key, _ in Reader(made[1].store).page("", None, 9, NOW).records] == ["a", "b"]


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


async def test_a_cancelled_proposer_leaves_its_command(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        task = asyncio.ensure_future(node.log.propose(put("a")))
        await asyncio.sleep(0)
        task.cancel()
        await node.log.propose(put("b"))
        assert Reader(node.store).get("a", NOW) is not None
        assert node.log.counters().proposals_pending == 0


async def test_a_listener_that_fails_stops_nobody(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        heard: list[Applied] = []

        def fails(_: Applied) -> None:
            raise RuntimeError("on purpose")

        node.log.subscribe(fails)
        unsubscribe = node.log.subscribe(heard.append)
        await node.log.propose(put("a"))
        unsubscribe()
        unsubscribe()
        await node.log.propose(put("b"))
        assert [one.changes[0].key for one in heard] == ["a"]


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
        await node.log.propose(_increase())
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


async def test_snapshots_are_of_one_entry_on_every_node(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 3, memory) as made:
        writes = [made[0].log.propose(put(f"k{number}")) for number in range(50)]
        facts, *_ = await asyncio.gather(
            made[1].log.snapshot(), *writes, made[0].log.propose(put("in the marker's record"))
        )
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
        facts, *_ = await asyncio.gather(
            node.log.snapshot(), before, *(node.log.propose(put(f"k{number}")) for number in range(20))
        )
        await until_async(lambda: node.compactions)
        purged = node.log.status().purged
        assert purged is not None
        assert purged.index == facts.log_id.index


async def test_a_snapshot_holds_what_was_acknowledged_before(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as made:
        for turn in range(10):
            await made[1].log.propose(put(f"k{turn}"))
            work = [node.log.snapshot() for node in made for _ in range(3)]
            for facts in await asyncio.gather(*work, made[0].log.propose(put("meanwhile"))):
                if not isinstance(facts, Transacted):
                    assert facts.key_count >= turn + 1  # type: ignore[union-attr]
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
        memory.compacted = 0
        fresh = make(tmp_path / "fresh", memory, 3, 3)
        await fresh.log.start()
        await asyncio.sleep(0.6)
        assert not fresh.log.failed.done(), "what it reported before is not of this state"
        await fresh.log.stop()


async def test_leadership_is_handed_over_by_the_leader_alone(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as made:
        with pytest.raises(NotLeader, match=r"current_leader=Some\(1\)"):
            await made[1].log.transfer_leader(None)
        with pytest.raises(InvalidRequest):
            await made[0].log.transfer_leader(9)
        with pytest.raises(Conflict):
            await made[0].log.transfer_leader(1)
        assert await made[0].log.transfer_leader(None) == Transfer(1, 2, (1, 2, 3))
        assert made[0].moves == [1002]
    async with nodes(tmp_path / "alone") as (node,):
        with pytest.raises(Conflict, match="only voter"):
            await node.log.transfer_leader(None)


async def test_an_old_process_cannot_enter_again(tmp_path: Path) -> None:
    memory = MemoryLog()
    old = Author(1, b"old-one!", 1)
    memory.take(encode(old, NOW, 0, 0, [encode_command(Enter(b""))]))
    async with nodes(tmp_path, 1, memory) as (node,):
        memory.take(encode(old, NOW, 0, 0, [encode_command(Enter(b""))]))
        memory.take(encode(old._replace(number=2), NOW, 0, 0, [encode_command(put("stale"))]))
        await node.log.propose(put("a"))
        assert Reader(node.store).get("stale", NOW) is None


def test_the_honest_tell_all() -> None:
    assert honest([]) == [[]]
