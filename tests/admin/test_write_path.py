"""The write path's check: a real log's answers, idle, busy, failing and stuck."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diag.admin.write_path import EVERY_SECONDS, FRESH_SECONDS, WritePath
from diag.errors import NoSpace
from diag.kv.commands import MatchSeq, Upsert
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import NodeAddress
from diag.replication.local import LocalLog

pytestmark = pytest.mark.anyio

PATIENCE = 0.2


class Clock:
    """Ahead of the system's by what a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", map_size=1 << 20)


@pytest.fixture
async def log(store: Store, tmp_path: Path) -> AsyncIterator[LocalLog]:
    log = LocalLog(store, NodeAddress(1, "1", "h", 1, None), SnapshotStore(tmp_path / "snapshots"), lambda: 1)
    await log.start()
    yield log
    await log.stop()


def put(size: int = 1) -> Upsert:
    return Upsert("k", MatchSeq(), bytes(size))


async def test_an_idle_log_is_tried_with_one_entry_that_changes_nothing(log: LocalLog) -> None:
    clock = Clock()
    check = WritePath(log, clock)
    before = log.status()
    assert await asyncio.gather(*(check() for _ in range(20))) == [None] * 20
    assert log.status().last_applied.index == before.last_applied.index + 1
    assert (log.status().last_seq, log.status().key_count) == (0, 0)
    assert await check() is None
    assert log.status().last_applied.index == before.last_applied.index + 1
    clock.ahead += FRESH_SECONDS
    assert await check() is None
    assert log.status().last_applied.index == before.last_applied.index + 2


async def test_a_busy_log_is_left_alone(log: LocalLog) -> None:
    check = WritePath(log)
    await log.propose(put())
    applied = log.status().last_applied
    assert await check() is None
    assert log.status().last_applied == applied


async def test_what_failed_before_the_first_look_is_told(log: LocalLog) -> None:
    check = WritePath(log)
    with pytest.raises(NoSpace):
        await log.propose(put(2 << 20))
    assert "1 proposals failed and none was applied" in (await check() or "")
    assert "1 proposals failed" in (await check() or "")
    await log.propose(put())
    assert await check() is None


async def test_an_entry_of_its_own_does_not_hide_that_others_fail(log: LocalLog) -> None:
    check = WritePath(log)
    assert await check() is None
    with pytest.raises(NoSpace):
        await log.propose(put(2 << 20))
    assert "1 proposals failed" in (await check() or "")


async def test_what_failed_long_ago_does_not_count_when_an_entry_goes_through(log: LocalLog) -> None:
    clock = Clock()
    check = WritePath(log, clock)
    with pytest.raises(NoSpace):
        await log.propose(put(2 << 20))
    assert await check() is not None
    clock.ahead += 60
    assert await check() is None


async def test_a_fault_of_an_idle_log_is_found_and_its_end_too(tmp_path: Path) -> None:
    clock = Clock()
    store = Store.open(tmp_path / "store")
    log = LocalLog(store, NodeAddress(1, "1", "h", 1, None), SnapshotStore(tmp_path / "snapshots"), lambda: 1)
    check = WritePath(log, clock)
    assert "takes no writes" in (await check() or "")
    await log.start()
    assert "takes no writes" in (await check() or ""), "not tried again at once"
    clock.ahead += EVERY_SECONDS
    assert await check() is None
    store.close()
    clock.ahead += FRESH_SECONDS
    assert "is closed" in (await check() or "")
    with pytest.raises(Exception, match="closed"):
        await log.stop()


async def test_a_log_that_is_stuck_is_told_within_the_time_allowed(log: LocalLog, store: Store) -> None:
    check = WritePath(log, patience=PATIENCE)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.write():
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        await asyncio.to_thread(held.wait)
        async with asyncio.timeout(PATIENCE * 20):
            assert "is not acknowledged after" in (await check() or "")
            assert "is not acknowledged after" in (await check() or "")
        assert log.counters().proposals_pending == 1, "one entry tries it, however often it is asked"
    finally:
        done.set()
        holder.join()
    await log.propose(put())
    assert await check() is None
