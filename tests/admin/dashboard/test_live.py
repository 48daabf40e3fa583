import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from diag.admin.dashboard.cluster import Overview
from diag.admin.dashboard.live import Live
from diag.errors import Unavailable
from tests.polling import until_async

pytestmark = pytest.mark.anyio


class Looks:
    """Counts how often somebody looked."""

    def __init__(self) -> None:
        self.count = 0
        self.headline = "All is well."

    async def __call__(self) -> Overview:
        self.count += 1
        return Overview("good", self.headline, None, [])


async def headline(stream: AsyncIterator[bytes]) -> str:
    """Of the next event that tells something."""
    async with asyncio.timeout(10):
        async for event in stream:
            kind, data = event.decode().split("\n")[:2]
            if kind == "event: cluster":
                return str(json.loads(data.removeprefix("data: "))["headline"])
    raise AssertionError("the stream ended")


async def closed(stream: AsyncIterator[bytes]) -> None:
    await stream.aclose()  # type: ignore[attr-defined]


async def test_nobody_looks_while_no_page_is_open() -> None:
    live, looks = Live(period=0.001), Looks()
    stream = live.stream(looks)
    assert await headline(stream) == "All is well."
    await closed(stream)
    await until_async(lambda: "dashboard" not in {task.get_name() for task in asyncio.all_tasks()})
    await live.close()


async def test_an_event_is_told_again_only_when_it_has_changed() -> None:
    live, looks = Live(period=0.001), Looks()
    stream = live.stream(looks)
    first, second = await anext(stream), await anext(stream)
    assert first.startswith(b"event: cluster\ndata: {")
    assert second == b"event: same\ndata:\n\n"
    looks.headline = "Node 2 is gone."
    assert await headline(stream) == "Node 2 is gone."
    await closed(stream)
    await live.close()


async def test_many_pages_share_one_look() -> None:
    live, looks = Live(period=3600), Looks()
    streams = [live.stream(looks) for _ in range(20)]
    waiting = [asyncio.ensure_future(headline(stream)) for stream in streams]
    assert set(await asyncio.gather(*waiting)) == {"All is well."}
    assert looks.count == 1
    await live.close()
    for stream in streams:
        assert [event async for event in stream] == []


async def test_a_page_that_does_not_read_gets_the_newest() -> None:
    live, looks = Live(period=0.001), Looks()
    slow = live.stream(looks)
    await headline(slow)
    looks.headline = "first"
    seen = looks.count
    await until_async(lambda: looks.count > seen + 20)
    looks.headline = "last"
    await until_async(lambda: looks.count > seen + 40)
    assert await headline(slow) == "last"
    await closed(slow)
    await live.close()


async def test_a_stream_ends_so_that_its_page_must_ask_again() -> None:
    live = Live(period=0.001, life=0.05)
    async with asyncio.timeout(10):
        assert [event async for event in live.stream(Looks())]
        assert [event async for event in live.stream(Looks())]
    await live.close()


async def test_a_look_that_fails_ends_the_streams_and_the_next_is_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    live, looks = Live(period=0.001), Looks()

    async def fails() -> Overview:
        raise RuntimeError("a fault in the page")

    async with asyncio.timeout(10):
        assert [event async for event in live.stream(fails)] == []
    assert "a fault in the page" in caplog.text
    stream = live.stream(looks)
    assert await headline(stream) == "All is well."
    await closed(stream)
    await live.close()


async def test_there_is_a_limit_and_an_end() -> None:
    live, looks = Live(period=3600, most=1), Looks()
    stream = live.stream(looks)
    await headline(stream)
    with pytest.raises(Unavailable, match="1 pages are open"):
        live.stream(looks)
    await live.close()
    with pytest.raises(Unavailable, match="stopping"):
        live.stream(looks)
