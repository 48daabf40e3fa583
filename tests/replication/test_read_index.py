"""Shared questions: never an answer older than the reader, and nobody waits without end."""

import asyncio

import pytest

from diag.errors import NotInTime, Unavailable
from diag.replication.read_index import ReadIndex
from diag.replication.sources import Sources
from tests.polling import until_async
from tests.replication.memory_log import MemoryLog, MemorySource, ended

pytestmark = pytest.mark.anyio


async def _at_once(version: int) -> int:
    return version + 100


def _reads(*sources: MemorySource, patience: float = 5.0) -> ReadIndex:
    return ReadIndex(Sources(sources), _at_once, patience)


async def test_an_empty_log() -> None:
    reads = _reads(MemoryLog().source())
    assert await reads.wait() == 100
    await reads.stop()


async def test_those_who_wait_share_a_question() -> None:
    source = MemoryLog().source()
    reads = _reads(source)
    assert await asyncio.gather(*(reads.wait() for _ in range(1000))) == [100] * 1000
    assert source.heads <= 2


async def test_a_question_that_is_asked_already_is_not_shared() -> None:
    log = MemoryLog()
    source = log.source()
    source.held = asyncio.Event()
    reads = _reads(source)
    early = asyncio.ensure_future(reads.wait())
    await until_async(lambda: source.heads)
    log.take(b"acknowledged meanwhile")
    late = asyncio.ensure_future(reads.wait())
    source.held.set()
    assert await early == 100
    assert await late == 101


async def test_a_source_without_an_answer_is_left() -> None:
    log = MemoryLog()
    frozen, other = log.source("frozen"), log.source("other")
    frozen.frozen = True
    reads = _reads(frozen, other)
    assert await reads.wait() == 100
    assert await reads.wait() == 100
    assert (frozen.heads, other.heads) == (1, 2)


async def test_patience_ends_for_those_who_came_later_too() -> None:
    source = MemoryLog().source()
    source.frozen = True
    reads = _reads(source, patience=0.2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    first = asyncio.ensure_future(reads.wait())
    await until_async(lambda: source.heads)
    second = asyncio.ensure_future(reads.wait())
    assert isinstance(await ended(first), NotInTime)
    assert isinstance(await ended(second), NotInTime)
    assert loop.time() - began < 0.39, "the second did not wait for the first's patience and then its own"
    source.frozen = False
    assert await reads.wait() == 100


async def test_a_reader_that_is_cancelled_takes_nothing_from_the_others() -> None:
    source = MemoryLog().source()
    source.held = asyncio.Event()
    reads = _reads(source)
    readers = [asyncio.ensure_future(reads.wait()) for _ in range(3)]
    await until_async(lambda: source.heads)
    readers[0].cancel()
    source.held.set()
    assert await asyncio.gather(*readers[1:]) == [100, 100]


async def test_a_stop_tells_those_who_wait() -> None:
    source = MemoryLog().source()
    source.held = asyncio.Event()
    reads = _reads(source)
    early = asyncio.ensure_future(reads.wait())
    await until_async(lambda: source.heads)
    late = asyncio.ensure_future(reads.wait())
    await asyncio.sleep(0)
    await reads.stop()
    await reads.stop()
    assert isinstance(await ended(early), Unavailable)
    assert isinstance(await ended(late), Unavailable)


async def test_a_stop_before_anything_was_asked() -> None:
    reads = _reads(MemoryLog().source())
    reader = asyncio.ensure_future(reads.wait())
    await asyncio.sleep(0)
    reads.refuse()
    assert isinstance(await ended(reader), Unavailable)
    await reads.stop()


async def test_no_source_at_all() -> None:
    assert isinstance(await ended(_reads().wait()), Unavailable)
