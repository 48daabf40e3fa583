"""No route starts more processes than there are turns, and none answers 500 for what takes too long."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from diag.admin import draw
from diag.profilers import repack
from diag.profilers.apart import Apart
from tests.admin.members import three_nodes
from tests.admin.served import Served, serving
from tests.polling import until_async
from tests.profilers.profiles import FOLDED, about, content

pytestmark = pytest.mark.anyio

KEPT = "/debug/profiles"
RANGE = f"{KEPT}/range"
CPU = "/debug/pprof/profile"


@pytest.fixture(autouse=True)
def every_profile_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (draw, "IN_PROCESS_BYTES"),
        (repack, "IN_PROCESS_BYTES"),
        (repack, "IN_PROCESS_PACKED"),
    ):
        monkeypatch.setattr(module, name, 0)


async def fill(node: Served) -> None:
    """Two kept profiles, ``one`` and ``other``, and a window of always-on profiling."""
    for name in ("one", "other"):
        brought = await node.http.post(KEPT, params={"name": name}, content=FOLDED)
        assert brought.status_code == 201, brought.text
    when = time.time() - 120
    node.windows.add(replace(about(when=when + 60), when=when, seconds=60.0, samples=10), FOLDED)


@asynccontextmanager
async def no_turn_left(apart: Apart) -> AsyncIterator[None]:
    begun = threading.Event()

    def work(stop: threading.Event) -> None:
        begun.set()
        stop.wait()

    running = asyncio.create_task(apart.run("long", work, undone="", instead=""))
    await until_async(begun.is_set)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def asked() -> list[tuple[str, dict[str, str]]]:
    """What reads, adds up or draws a profile that is there."""
    earlier = {"from": "-10m", "diff_from": "-10m"}
    return [
        (f"{KEPT}/one", {"format": "svg"}),
        (f"{KEPT}/one", {"format": "folded"}),
        (f"{KEPT}/one", {"format": "zip"}),
        (f"{KEPT}/one/diff/other", {"format": "svg"}),
        (f"{KEPT}/one/diff/other", {"format": "text"}),
        (RANGE, {"format": "svg"}),
        (RANGE, {"format": "folded"}),
        (RANGE, {"format": "pprof"}),
        (RANGE, {"format": "svg", **earlier}),
        (RANGE, {"format": "json", **earlier}),
    ]


async def test_without_a_turn_every_route_says_when_to_come_again(tmp_path: Path) -> None:
    apart = Apart(at_once=1, patience=0.05)
    async with serving(tmp_path, apart=apart) as node:
        await fill(node)
        async with no_turn_left(apart):
            for path, params in asked():
                answer = await node.http.get(path, params=params)
                assert answer.status_code == 503, (path, params, answer.text[:200])
                assert int(answer.headers["retry-after"]) >= 1
                assert "1 large profiles at a time" in answer.text
            brought = await node.http.post(KEPT, content=FOLDED)
            assert (brought.status_code, "retry-after" in brought.headers) == (503, True)
        for path, params in asked():
            assert (await node.http.get(path, params=params)).status_code == 200, (path, params)


async def test_a_profile_just_taken_is_kept_once_there_is_a_turn(tmp_path: Path) -> None:
    apart = Apart(at_once=1, patience=0.05)
    async with serving(tmp_path, apart=apart) as node:
        params = {"seconds": "0.2", "engine": "inprocess", "mode": "wall", "format": "folded", "name": "mine"}
        async with no_turn_left(apart):
            taking = asyncio.create_task(node.http.get(CPU, params=params))
            await until_async(lambda: node.lock.holder() is not None)
            await until_async(lambda: node.lock.holder() is None)
            assert not taking.done()
        assert (await taking).status_code == 200
        assert (await node.http.get(f"{KEPT}/mine", params={"format": "json"})).status_code == 200


async def test_what_takes_too_long_is_504_on_every_route_with_what_to_do(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await fill(node)
    async with serving(tmp_path, apart=Apart(seconds=0.0001)) as node:
        cpu = {"seconds": "0.1", "engine": "inprocess", "mode": "wall"}
        for path, params in [*asked(), (CPU, cpu), (CPU, {**cpu, "format": "html"})]:
            answer = await node.http.get(path, params=params)
            assert answer.status_code == 504, (path, params, answer.text[:200])
            assert "within 0.0001 s and was given up; " in answer.text
        brought = await node.http.post(KEPT, content=FOLDED)
        assert brought.status_code == 504
        assert "send a smaller one" in brought.text


async def test_what_another_node_has_no_turn_or_too_little_time_for_is_told_as_it_says(
    tmp_path: Path,
) -> None:
    busy = Apart(at_once=1, patience=0.05)
    async with three_nodes(tmp_path, aparts={2: busy, 3: Apart(seconds=0.0001)}) as cluster:
        for node_id, name in ((1, "ours"), (2, "theirs")):
            brought = await cluster.nodes[node_id].http.post(KEPT, params={"name": name}, content=FOLDED)
            assert brought.status_code == 201, brought.text
        cluster.nodes[3].shelf.add(about("late"), content())
        first = cluster.first.http
        async with no_turn_left(busy):
            answer = await first.get(f"{KEPT}/ours/diff/theirs@2")
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True), answer.text
        assert (await first.get(f"{KEPT}/ours/diff/theirs@2")).status_code == 200
        answer = await first.get(f"{KEPT}/ours/diff/late@3")
        assert answer.status_code == 504
        assert "fetch it with format=pprof" in answer.text
