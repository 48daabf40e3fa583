"""Snapshots that the nodes agree on: what counts as agreed, who differs, and which state is written."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diag.errors import Damaged, StoreError, Unavailable
from diag.kv.commands import Blanked, Reply
from diag.kv.snapshot import SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication.cluster_snapshots import ClusterSnapshots, agreed, differs
from diag.replication.ledger import Ledger, Mark
from diag.replication.record import BeginSnapshot, LogCommand, ReportSnapshot
from tests.polling import until_async
from tests.replication.memory_log import ended
from tests.replication.test_machine import NOW

pytestmark = pytest.mark.anyio

VOTERS = (1, 2, 3)


def _ledger(*hashes: dict[int, str]) -> Ledger:
    return Ledger(
        marks=[Mark(10 * (place + 1), 100 * (place + 1), held) for place, held in enumerate(hashes)]
    )


def test_nothing_is_agreed_without_marks_or_voters() -> None:
    assert agreed(Ledger(), VOTERS) is None
    assert agreed(_ledger({1: "a", 2: "a"}), ()) is None


@pytest.mark.parametrize(
    ("hashes", "voters", "index"),
    [
        ([{1: "a"}], VOTERS, None),
        ([{1: "a", 2: "b", 3: "c"}], VOTERS, None),
        ([{1: "a", 3: "a"}], VOTERS, 10),
        ([{1: "a", 2: "b", 3: "b"}], VOTERS, 10),
        ([{1: "a", 2: "a"}, {1: "b"}], VOTERS, 10),
        ([{1: "a", 2: "a"}, {1: "b", 2: "b"}], VOTERS, 20),
        ([{1: "a", 2: "a"}], (1, 2, 3, 4), None),
        ([{1: "a", 8: "a", 9: "a"}], VOTERS, None),
        ([{1: "a"}], (1,), 10),
    ],
)
def test_agreed_is_what_a_majority_of_the_voters_hold_alike(
    hashes: list[dict[int, str]], voters: tuple[int, ...], index: int | None
) -> None:
    found = agreed(_ledger(*hashes), voters)
    assert (None if found is None else found[0].index) == index


def test_who_differs_is_judged_by_what_it_holds_itself() -> None:
    ledger = _ledger({1: "good", 2: "good", 3: "bad"})
    assert isinstance(differs(ledger, VOTERS, 3, {10: "bad"}), Damaged)
    assert differs(ledger, VOTERS, 3, {10: "good"}) is None
    assert differs(ledger, VOTERS, 3, {}) is None
    assert differs(ledger, VOTERS, 3, {9: "bad", 20: "newer"}) is None
    assert differs(Ledger(), VOTERS, 3, {10: "bad"}) is None


class Snapping:
    """Snapshots of one store, whose submitted commands are applied at once."""

    def __init__(self, path: Path) -> None:
        self.store = Store.open(path / "store", sync=False)
        self.root = path / "snapshots"
        self.submitted: list[LogCommand] = []
        self.lost = False
        self.made = ClusterSnapshots(self.store, SnapshotStore(self.root), self._submit, lambda: NOW)

    async def _submit(self, command: LogCommand) -> Reply:
        self.submitted.append(command)
        if self.lost:
            raise Unavailable("lost")
        if isinstance(command, BeginSnapshot):
            self.advance()
            self.made.begin(self.store.pin())
        await asyncio.sleep(0)
        return Blanked()

    def advance(self) -> int:
        with self.store.write() as txn:
            index = txn.applied().index + 1
            txn.set_applied(Position(1, 1, index))
        return index


@contextlib.asynccontextmanager
async def snapping(path: Path) -> AsyncIterator[Snapping]:
    made = Snapping(path)
    try:
        yield made
    finally:
        await made.made.stop()
        made.store.close()


async def test_none_yet(tmp_path: Path) -> None:
    async with snapping(tmp_path) as snaps:
        assert snaps.made.latest is None
        assert not snaps.made.building
        await snaps.made.report(Ledger(), 1)
        assert snaps.submitted == []


async def test_each_caller_gets_one_that_is_not_older_than_its_call(tmp_path: Path) -> None:
    async with snapping(tmp_path) as snaps:

        async def ask() -> None:
            before = snaps.advance()
            assert (await snaps.made.snapshot()).index > before

        for _ in range(5):
            await asyncio.gather(*(ask() for _ in range(5)))
        await until_async(lambda: not snaps.made.building)


async def test_while_one_is_written_the_newest_waits(tmp_path: Path) -> None:
    async with snapping(tmp_path) as snaps:
        for _ in range(5):
            newest = snaps.advance()
            snaps.made.begin(snaps.store.pin())
        await until_async(lambda: not snaps.made.building)
        assert snaps.made.latest is not None
        assert snaps.made.latest.index == newest
        assert len(snaps.made.written) <= 2


async def test_a_failure_is_told_and_the_next_is_written(tmp_path: Path) -> None:
    async with snapping(tmp_path) as snaps:
        snaps.root.write_bytes(b"in the way")
        assert isinstance(await ended(snaps.made.snapshot()), StoreError)
        snaps.made.begin(snaps.store.pin())
        await until_async(lambda: not snaps.made.building)
        snaps.root.unlink()
        assert (await snaps.made.snapshot()).index > 0


async def test_a_report_is_sent_until_the_log_has_it(tmp_path: Path) -> None:
    async with snapping(tmp_path) as snaps:
        info = await snaps.made.snapshot()
        ledger = Ledger(marks=[Mark(info.index, 7)])
        snaps.lost = True
        assert isinstance(await ended(snaps.made.report(ledger, 1)), Unavailable)
        snaps.lost = False
        await snaps.made.report(ledger, 1)
        assert snaps.submitted[1:] == [ReportSnapshot(info.index, info.content_hash)] * 2
        ledger.report(1, info.index, info.content_hash)
        await snaps.made.report(ledger, 1)
        await snaps.made.report(Ledger(), 1)
        assert len(snaps.submitted) == 3


async def test_a_report_that_a_kill_prevented_is_sent_after_the_start(tmp_path: Path) -> None:
    async with snapping(tmp_path) as snaps:
        info = await snaps.made.snapshot()
    async with snapping(tmp_path) as snaps:
        assert snaps.made.latest == info
        await snaps.made.report(Ledger(marks=[Mark(info.index, 7)]), 1)
        assert snaps.submitted == [ReportSnapshot(info.index, info.content_hash)]


async def test_one_of_another_history_is_none_of_ours(tmp_path: Path) -> None:
    async with snapping(tmp_path) as snaps:
        await snaps.made.snapshot()
    (tmp_path / "store").rename(tmp_path / "moved away")
    async with snapping(tmp_path) as snaps:
        assert snaps.made.latest is None


async def test_a_stop_gives_up_what_waits(tmp_path: Path) -> None:
    snaps = Snapping(tmp_path)
    asked = [asyncio.ensure_future(snaps.made.snapshot()) for _ in range(2)]
    await until_async(lambda: len(snaps.submitted) == 2)
    await asyncio.sleep(0)
    snaps.made.begin(snaps.store.pin())
    await snaps.made.stop()
    for one in asked:
        result = await ended(one)
        assert not isinstance(result, Exception) or isinstance(result, Unavailable)
    snaps.store.close()
    snaps.store.close()
