"""The embedded log: batches, order, what survives, what fails alone, and what a stop does."""

import asyncio
import itertools
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from diag.errors import DirectoryInUse, InvalidRequest, MessageTooLarge, NoSpace, StoreError, Unavailable
from diag.kv.commands import (
    Blank,
    Blanked,
    Branch,
    Delete,
    Lifetime,
    MatchSeq,
    Put,
    Transacted,
    Transaction,
    Upsert,
    Upserted,
    WasPut,
)
from diag.kv.snapshot import SnapshotStore
from diag.kv.state import Position
from diag.kv.store import DEFAULT_MAP_SIZE, Store
from diag.kv.view import Reader
from diag.kv.watch import Filter, WatchHub
from diag.replication import Applied, LogId, NodeAddress, OrderedLog
from diag.replication.local import LocalLog
from tests.polling import until

NODE = NodeAddress(3, "3", "127.0.0.1", 28103, "127.0.0.1:9191")
NOW = 1_795_451_457_069

pytestmark = pytest.mark.anyio


def _put(key: str, value: bytes = b"v") -> Transaction:
    return Transaction((Branch(None, (Put(key, value),)),))


@asynccontextmanager
async def _log(
    path: Path,
    *,
    every: int = 1 << 40,
    map_size: int = DEFAULT_MAP_SIZE,
    clock: Callable[[], int] = lambda: NOW,
) -> AsyncIterator[tuple[LocalLog, Store]]:
    store = Store.open(path / "store", map_size=map_size)
    log = LocalLog(store, NODE, SnapshotStore(path / "snapshots"), clock, every)
    await log.start()
    try:
        yield log, store
    finally:
        await log.stop()


async def test_a_log_of_nothing(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, _):
        checked: OrderedLog = log
        status = checked.status()
        assert (status.state, status.term, status.last_applied) == ("Leader", 1, LogId(1, 3, 1))
        assert status.leader == NODE
        assert status.voters == (NODE,)
        assert status.replication == {3: LogId(1, 3, 1)}
        assert (status.last_seq, status.key_count, status.snapshot) == (0, 0, None)
        assert status.db_size > 0
        assert await log.read_index() == 1
    assert log.status().state == "Shutdown"
    assert log.status().leader is None
    await log.stop()


async def test_a_reply_means_it_can_be_read(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, store):
        reply = await log.propose(Upsert("a", MatchSeq(exact=0), b"1"))
        assert isinstance(reply, Upserted)
        assert reply.result is not None
        assert Reader(store).get("a", NOW) == reply.result
        assert await log.read_index() == 2
        assert (log.status().last_seq, log.status().key_count) == (1, 1)


async def test_a_blank_entry_is_an_entry_and_nothing_else(tmp_path: Path) -> None:
    now = iter((NOW, NOW + 9000, NOW + 18_000))
    async with _log(tmp_path, clock=now.__next__) as (log, store):
        seen: list[Applied] = []
        log.subscribe(seen.append)
        assert log.counters().acknowledged_at == -math.inf
        await log.propose(Upsert("a", MatchSeq(), b"1", Lifetime(ttl_ms=10)))
        first = log.counters().acknowledged_at
        assert await log.propose(Blank()) == Blanked()
        assert log.counters().acknowledged_at >= first > 0
        assert (log.status().last_applied.index, log.status().last_seq) == (3, 1)
        assert log.status().key_count == 1, "what expired is purged by the next write, not by this"
        assert (seen[1].log_id.index, seen[1].changes) == (3, [])
        await log.propose(_put("b"))
        assert Reader(store).get("a", 0) is None


async def test_many_at_once_are_applied_once_each_in_one_order(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, _):
        seen: list[Applied] = []
        unsubscribe = log.subscribe(seen.append)
        replies = await asyncio.gather(*(log.propose(_put(f"k{number}")) for number in range(3000)))
        puts = [
            response
            for reply in replies
            if isinstance(reply, Transacted)
            for response in reply.responses
            if isinstance(response, WasPut)
        ]
        assert [put.current.seq for put in puts if put.current] == list(range(1, 3001))
        assert [applied.log_id for applied in seen] == [LogId(1, 3, 2 + number) for number in range(3000)]
        assert [applied.changes[0].key for applied in seen] == [put.key for put in puts]
        assert log.counters().proposals_pending == 0
        unsubscribe()
        unsubscribe()
        await log.propose(_put("unheard"))
        assert len(seen) == 3000


async def test_what_is_refused_fails_alone(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, _):
        results = await asyncio.gather(
            log.propose(_put("a")),
            log.propose(_put("k" * 5000)),
            log.propose(Upsert("\ud800", MatchSeq(), b"")),
            log.propose(_put("b")),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [
            Transacted,
            MessageTooLarge,
            InvalidRequest,
            Transacted,
        ]


async def test_a_command_that_breaks_does_not_take_its_batch_with_it(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, store):
        seen: list[Applied] = []
        log.subscribe(seen.append)
        broken = Transaction((Branch(None, (Put("broken", 5),)),))  # type: ignore[arg-type]  # on purpose
        results = await asyncio.gather(
            log.propose(_put("a")), log.propose(broken), log.propose(_put("b")), return_exceptions=True
        )
        assert [type(result) for result in results] == [Transacted, StoreError, Transacted]
        assert [applied.log_id.index for applied in seen] == [2, 3]
        assert [key for key, _ in Reader(store).page("", None, 9, NOW).records] == ["a", "b"]
        assert log.counters().proposals_failed == 1
        assert log.status().last_seq == 2


async def test_a_cancelled_proposer_leaves_its_command(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, store):
        task = asyncio.ensure_future(log.propose(_put("a")))
        await asyncio.sleep(0)
        task.cancel()
        await log.propose(_put("b"))
        assert Reader(store).get("a", NOW) is not None


async def test_a_listener_that_fails_stops_nobody(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, _):
        seen: list[Applied] = []

        def fails(_: Applied) -> None:
            raise RuntimeError("on purpose")

        log.subscribe(fails)
        log.subscribe(seen.append)
        await log.propose(_put("a"))
        assert len(seen) == 1


async def test_time_never_goes_back_and_terms_never_repeat(tmp_path: Path) -> None:
    clock = itertools.count(NOW, -1000).__next__
    for term in (1, 2, 3):
        async with _log(tmp_path, clock=clock) as (log, store):
            await log.propose(_put("a"))
            record = Reader(store).get("a", NOW)
            assert record is not None
            assert record.proposed_at_ms == NOW
            assert log.status().last_applied == LogId(term, 3, 2 * term)


async def test_stop_finishes_what_was_proposed_and_refuses_the_rest(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, _):
        proposed = [asyncio.ensure_future(log.propose(_put(f"k{number}"))) for number in range(500)]
        await asyncio.sleep(0)
        await log.stop()
        with pytest.raises(Unavailable, match="takes no writes"):
            await log.propose(_put("late"))
        with pytest.raises(Unavailable, match="takes no snapshots"):
            await log.snapshot()
        assert all(task.done() and not task.exception() for task in proposed)
    with Store.open(tmp_path / "store") as store, store.read() as txn:
        assert txn.key_count() == 500


async def test_not_started_takes_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    log = LocalLog(store, NODE, SnapshotStore(tmp_path / "snapshots"), lambda: NOW)
    with pytest.raises(Unavailable):
        await log.propose(_put("a"))
    await log.stop()
    Store.open(tmp_path / "store").close()


async def test_the_directory_is_held_until_the_stop(tmp_path: Path) -> None:
    async with _log(tmp_path):
        with pytest.raises(DirectoryInUse):
            Store.open(tmp_path / "store")


async def test_a_full_store_fails_the_batch_and_takes_writes_again(tmp_path: Path) -> None:
    async with _log(tmp_path, map_size=1 << 20) as (log, store):
        await log.propose(_put("kept"))
        results = await asyncio.gather(
            log.propose(_put("a")), log.propose(_put("large", b"v" * (2 << 20))), return_exceptions=True
        )
        assert [type(result) for result in results] == [NoSpace, NoSpace]
        assert Reader(store).get("a", NOW) is None
        assert log.counters().proposals_failed == 2
        await log.propose(Transaction((Branch(None, (Delete("kept"),)),)))
        assert log.status().key_count == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small"
    path.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs could be mounted: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


async def test_a_full_disk_fails_writes_and_not_reads(small_disk: Path) -> None:
    async with _log(small_disk) as (log, store):
        acknowledged: list[str] = []

        async def fill() -> None:
            for number in range(1000):
                await log.propose(_put(f"k{number}", b"v" * 10_000))
                acknowledged.append(f"k{number}")

        with pytest.raises(NoSpace, match="free space"):
            await fill()
        with pytest.raises(NoSpace):
            await log.snapshot()
        assert acknowledged
        assert all(Reader(store).mget(acknowledged, NOW))
    with Store.open(small_disk / "store", readonly=True) as store:
        assert all(Reader(store).mget(acknowledged, NOW))


async def test_a_snapshot_holds_what_was_acknowledged(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, _):
        await log.propose(_put("a"))
        first, same = await asyncio.gather(log.snapshot(), log.snapshot())
        assert first == same
        assert (first.log_id, first.key_count) == (LogId(1, 3, 2), 1)
        assert log.status().snapshot == first
        proposals = []
        for number in range(50):
            proposals.append(await log.propose(_put(f"k{number}")))
            facts, _ = await asyncio.gather(log.snapshot(), log.propose(_put("meanwhile")))
            assert facts.log_id.index >= 2 * number + 3
        assert log.counters().snapshot_written_entries > 50
        assert not log.counters().snapshot_building
        assert facts.path.is_dir()
    async with _log(tmp_path) as (log, _):
        assert log.status().snapshot == facts


async def test_snapshots_are_made_by_themselves(tmp_path: Path) -> None:
    async with _log(tmp_path, every=100) as (log, _):
        for number in range(98):
            await log.propose(_put(f"k{number}"))
        assert log.status().snapshot is None
        await log.propose(_put("one more"))
        await asyncio.to_thread(until, lambda: log.status().snapshot is not None)
        facts = log.status().snapshot
        assert facts is not None
        assert facts.log_id.index >= 100


async def test_a_snapshot_of_another_history_does_not_count(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, _):
        await asyncio.gather(*(log.propose(_put(f"k{number}")) for number in range(10)))
        await log.snapshot()
    shutil.rmtree(tmp_path / "store")
    async with _log(tmp_path) as (log, _):
        assert log.status().snapshot is None
        assert (await log.snapshot()).log_id == LogId(1, 3, 1)


async def test_watchers_hear_in_order_and_a_slow_one_delays_nobody(tmp_path: Path) -> None:
    async with _log(tmp_path) as (log, store):
        hub = WatchHub(store, max_events=100)
        log.subscribe(lambda applied: hub.publish(applied.log_id.index, applied.changes))
        slow = hub.watch("k", "l", Filter.ALL, False, lambda: None)
        heard: list[str] = []
        quick = hub.watch(
            "k", "l", Filter.ALL, False, lambda: heard.extend(change.key for change in quick.take())
        )
        for start in range(0, 1000, 50):
            await asyncio.gather(*(log.propose(_put(f"k{start + number}")) for number in range(50)))
        assert heard == [f"k{number}" for number in range(1000)]
        assert hub.dropped == 1
        slow.close()


_WRITER = """
import asyncio, sys, time
from pathlib import Path
from diag.kv.commands import Branch, Put, Transaction
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import NodeAddress
from diag.replication.local import LocalLog

async def main(place):
    log = LocalLog(Store.open(place / "store"), NodeAddress(0, "0", "h", 1, None), SnapshotStore(place / "s"),
                   lambda: time.time_ns() // 10**6, 500)
    await log.start()
    async def write(writer):
        for number in range(10**9):
            key = f"w{writer}/{number}" + "-long" * (150 if writer == 0 else 0)
            await log.propose(Transaction((Branch(None, (Put(key, b"v" * 100),)),)))
            print(key, flush=True)
    await asyncio.gather(*(write(writer) for writer in range(32)))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_every_acknowledged_write_survives_a_kill(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for lines in (300, 1500, 4000):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            acknowledged += [line.strip() for line in itertools.islice(child.stdout, lines)]
            child.send_signal(signal.SIGKILL)
            # What was printed before the kill was acknowledged too; only a last line may be cut.
            rest = child.stdout.read().split("\n")
            acknowledged += rest[:-1]
            child.wait()
        with Store.open(tmp_path / "store") as store:
            assert all(Reader(store).mget(acknowledged, NOW))
            with store.read() as txn:
                assert txn.applied() > Position(1, 0, 1)
                assert txn.seq() == txn.applied().index - txn.applied().term
    latest = SnapshotStore(tmp_path / "s").latest()
    assert latest is not None
    SnapshotStore(tmp_path / "s").verify(latest)
