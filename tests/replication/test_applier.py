"""What the log tells is applied in order, waits for the disk, and wakes who waits for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from diag.errors import Damaged, Unavailable
from diag.kv.store import DEFAULT_MAP_SIZE, Store
from diag.replication.applier import Applier
from diag.replication.machine import Figures, Machine, Outcome
from diag.replication.record import BeginSnapshot, Enter
from diag.replication.sources import Sources
from diag.replication.tail import Tail
from tests.polling import until_async
from tests.replication.memory_log import MemoryLog, ended
from tests.replication.test_machine import Writer, put

pytestmark = pytest.mark.anyio


class Running:
    """An applier at work over a log in memory, and what it told."""

    def __init__(self, store: Store) -> None:
        self.log = MemoryLog()
        self.writer = Writer(self.log.entries)
        self.heard: list[Outcome] = []
        self.tail = Tail(Sources([self.log.source()]), 0, 0)
        self.applier = Applier(Machine(store), self.tail, self._hear)
        self.applying: asyncio.Task[None]

    def _hear(self, outcomes: Sequence[Outcome], figures: Figures) -> None:
        self.heard += outcomes
        assert self.applier.figures == figures

    def write(self, *commands: object) -> None:
        self.writer.write(*commands)  # type: ignore[arg-type]
        self.log.stir()


@contextlib.asynccontextmanager
async def running(path: Path, map_size: int = DEFAULT_MAP_SIZE) -> AsyncIterator[Running]:
    with Store.open(path / "store", map_size=map_size, sync=False) as store:
        made = Running(store)
        reading = asyncio.create_task(made.tail.run())
        made.applying = asyncio.create_task(made.applier.run())
        made.write(Enter(b""))
        try:
            yield made
        finally:
            reading.cancel()
            made.applying.cancel()
            await asyncio.wait([reading, made.applying])
            await made.applier.stop()


async def test_nothing_to_reach(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        assert await made.applier.reach(0) == 0
        assert await made.applier.reach(1) == 1


async def test_all_is_applied_in_order_and_heard_after_its_commit(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        waiting = asyncio.ensure_future(made.applier.reach(101))
        for number in range(100):
            made.write(put(f"k{number}"), *([BeginSnapshot()] if number % 10 == 0 else []))
        assert await waiting == 111
        assert [outcome.last.index for outcome in made.heard][-1] == 111
        pins = [outcome.snapshot for outcome in made.heard if outcome.snapshot is not None]
        assert len(pins) == 10
        for pin in pins:
            pin.release()


async def test_bytes_are_counted_from_the_last_mark(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        made.write(put("a", b"v" * 1000))
        await made.applier.reach(2)
        assert made.applier.bytes_since_mark > 1000
        made.write(BeginSnapshot())
        await made.applier.reach(3)
        assert made.applier.bytes_since_mark == 0
        for outcome in made.heard:
            if outcome.snapshot is not None:
                outcome.snapshot.release()


async def test_a_waiter_that_gives_up_leaves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await made.applier.reach(1)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.applier.reach(2), 0.01)
        made.write(put("a"))
        assert await made.applier.reach(2) == 2


async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, 1 << 20) as made:
        made.write(put("large", b"v" * (2 << 20)))
        await until_async(lambda: made.applier.stuck is not None)
        refused = await ended(made.applier.reach(2))
        assert isinstance(refused, Unavailable)
        assert "map size" in str(refused)
        assert not made.applying.done()


async def test_what_is_no_record_ends_it(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        made.log.take(b"not ours")
        assert isinstance(await ended(made.applying), Damaged)


async def test_a_stop_releases_what_nobody_hears_of(tmp_path: Path) -> None:
    for turns in range(8):
        async with running(tmp_path / str(turns)) as made:
            made.write(put("a"), BeginSnapshot())
            for _ in range(turns):
                await asyncio.sleep(0)
            heard = made.heard
        for outcome in heard:
            if outcome.snapshot is not None:
                outcome.snapshot.release()
