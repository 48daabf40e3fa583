"""Following a log whose watches lose, repeat, reorder, fall silent and end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from diag.errors import Compacted
from diag.replication.source import Entry
from diag.replication.sources import Sources
from diag.replication.tail import Tail
from tests.polling import until_async
from tests.replication.memory_log import MemoryLog, honest

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def _running(tail: Tail) -> "AsyncIterator[asyncio.Task[None]]":
    task = asyncio.create_task(tail.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def _filled(count: int) -> MemoryLog:
    log = MemoryLog()
    for number in range(count):
        log.take(str(number + 1).encode())
    return log


async def _take(tail: Tail, count: int) -> list[int]:
    taken: list[Entry] = []
    while len(taken) < count:
        taken += await asyncio.wait_for(tail.take(), 10)
    return [entry.version for entry in taken]


async def test_an_empty_log_is_waited_for() -> None:
    log = MemoryLog()
    tail = Tail(Sources([log.source()]), 0, 0)
    async with _running(tail):
        taking = asyncio.ensure_future(tail.take())
        await asyncio.sleep(0.01)
        assert not taking.done()
        log.take(b"first")
        assert [entry.record for entry in await taking] == [b"first"]
        assert tail.version == 1


async def test_it_begins_after_what_is_known() -> None:
    log = _filled(10)
    tail = Tail(Sources([log.source()]), 7, log.entries[6].revision)
    async with _running(tail):
        assert await _take(tail, 3) == [8, 9, 10]


@pytest.mark.parametrize(
    "lie",
    [
        lambda told: [told[1:]],
        lambda told: [told[:1], told[2:]],
        lambda told: [told[::-1]],
        lambda told: [[*told[:2], told[0], *told[2:]]],
    ],
    ids=["first lost", "one lost", "backwards", "one again in between"],
)
async def test_what_is_not_in_order_is_asked_for_again(lie: object) -> None:
    log = _filled(6)
    liar, other = log.source("liar"), log.source("other")
    liar.tell = lie  # type: ignore[assignment]
    tail = Tail(Sources([liar, other]), 0, 0)
    async with _running(tail):
        assert await _take(tail, 6) == [1, 2, 3, 4, 5, 6]
    assert other.tails == 1


async def test_what_is_told_again_is_dropped() -> None:
    log = _filled(3)
    source = log.source()

    def twice(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
        return [entries, log.entries, log.entries[:2]]

    source.tell = twice
    tail = Tail(Sources([source]), 0, 0)
    async with _running(tail):
        assert await _take(tail, 3) == [1, 2, 3]
        log.take(b"4")
        assert await _take(tail, 1) == [4]
    assert source.tails == 1


async def test_a_watch_that_ends_is_opened_again_where_it_ended() -> None:
    log = _filled(3)
    source = log.source()
    tail = Tail(Sources([source]), 0, 0)
    async with _running(tail):
        await _take(tail, 3)
        source.cut_tails()
        log.take(b"4")
        assert await _take(tail, 1) == [4]
    assert source.tails == 2


async def test_what_is_missed_is_looked_for_elsewhere() -> None:
    log = _filled(2)
    frozen, other = log.source("frozen"), log.source("other")
    tail = Tail(Sources([frozen, other]), 0, 0)
    async with _running(tail):
        await _take(tail, 2)
        tail.miss(version=2)
        tail.miss(revision=log.entries[-1].revision)
        frozen.frozen = True
        log.take(b"3")
        await asyncio.sleep(0.01)
        assert (frozen.tails, other.tails) == (1, 0), "what was read already is not missed"
        tail.miss(version=3)
        assert await _take(tail, 1) == [3]
        assert other.tails == 1


async def test_missed_with_one_source_it_is_watched_again() -> None:
    log = _filled(1)
    source = log.source()
    tail = Tail(Sources([source]), 0, 0)
    tail.miss(version=1)
    async with _running(tail):
        await _take(tail, 1)
        source.tell = lambda entries: []
        log.take(b"2")
        await asyncio.sleep(0.01)
        source.tell = honest
        tail.miss(version=2)
        tail.miss(version=2)
        assert await _take(tail, 1) == [2]


async def test_what_nobody_takes_is_not_read_without_end() -> None:
    log = MemoryLog()
    source = log.source()
    source.tell = lambda entries: [[entry] for entry in entries]
    tail = Tail(Sources([source]), 0, 0)
    async with _running(tail):
        for number in range(2000):
            log.take(str(number).encode())
        await until_async(lambda: tail.version >= 500)
        await asyncio.sleep(0.02)
        assert tail.version < 1000
        tail.miss(version=2000)
        assert await _take(tail, 2000) == list(range(1, 2001))
    assert source.tails == 1, "a full queue is no fault of the watch"


async def test_a_log_that_begins_later_ends_it() -> None:
    log = _filled(9)
    log.compacted = 20
    with pytest.raises(Compacted):
        await asyncio.wait_for(Tail(Sources([log.source()]), 1, 5).run(), 10)
