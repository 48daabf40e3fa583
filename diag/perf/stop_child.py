"""A process that profiles itself and tells how long its event loop stood: ``python -m diag.perf.stop_child``.

Each line of input is a JSON object: ``{"kind": "cpu"|"heap"|"trace", "request": {...}}`` takes such a
profile, ``{"kind": "nothing", ...}`` none, and ``{"kind": "picture", "allocations": N, "mode": M}`` a memory
profile of so many allocations and its picture. Each line of output is JSON too; times are in seconds.
"""

import asyncio
import gc
import json
import sys
import time
from collections import deque
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import uvloop

from diag.admin.draw import Renderer
from diag.admin.drawing import Caption
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.lock import ProfileLock
from diag.profilers.requests import CpuRequest, HeapRequest, TraceRequest

_BEAT: Final = 0.001
#: What a start or an end reaches to, on both sides of it.
_EDGE: Final = 0.25
_DEPTH: Final = 12


class Beat:
    """Wakes every millisecond, and remembers by how much it woke too late."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=1_000_000)

    async def run(self) -> None:
        """Until cancelled."""
        due = time.monotonic() + _BEAT
        while True:
            await asyncio.sleep(_BEAT)
            now = time.monotonic()
            self._late.append((now, now - due))
            due = now + _BEAT

    def worst(self, since: float, until: float) -> float:
        """The longest that the loop was late in a stretch of time."""
        return max((late for at, late in self._late if since <= at <= until), default=0.0)


async def edges(profilers: Profilers, beat: Beat, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Take a profile; the longest stop about its start and about its end."""
    started = time.monotonic()
    await _profile(profilers, kind, request)
    ended = time.monotonic()
    await asyncio.sleep(_EDGE)
    return {
        "start": beat.worst(started, started + _EDGE),
        "end": beat.worst(ended - _EDGE, ended + _EDGE),
    }


async def picture(profilers: Profilers, beat: Beat, allocations: int, mode: str) -> dict[str, Any]:
    """Allocate while a memory profile runs; from then on the seconds to its SVG, and the loop's worst lag."""
    over = 0.0

    async def work() -> tuple[str, ...]:
        nonlocal over
        await asyncio.to_thread(allocate, allocations)
        over = time.monotonic()
        return ()

    request = HeapRequest(seconds=300, mode=mode)
    capture = await profilers.around(request, "the benchmark", work)
    svg = await Renderer().draw(capture.folded, Caption("memory", "", (), capture.unit))
    done = time.monotonic()
    await asyncio.sleep(0)
    return {"took": done - over, "lag": beat.worst(over, done), "records": capture.samples, "bytes": len(svg)}


async def _profile(profilers: Profilers, kind: str, request: Mapping[str, Any]) -> Capture | None:
    if kind == "cpu":
        return await profilers.cpu(CpuRequest(**request), "the benchmark")
    if kind == "heap":
        return await profilers.heap(HeapRequest(**request), "the benchmark")
    if kind == "trace":
        return await profilers.trace(TraceRequest(**request), "the benchmark")
    await asyncio.sleep(request["seconds"])
    return None


def allocate(count: int) -> None:
    """So many blocks, held until the end, from stacks of many kinds."""
    held: list[bytearray] = []
    number = 0
    while len(held) < count:
        _descend(held, number, _DEPTH)
        number += 1


def _descend(held: list[bytearray], number: int, depth: int) -> None:
    """The digits of ``number`` choose the caller of each call, so that numbers differ in their stacks."""
    if not depth:
        held.extend(bytearray(600) for _ in range(10))
        return
    rest, turn = divmod(number, len(_CALLERS))
    _CALLERS[turn](held, rest, depth - 1)


def _first(held: list[bytearray], number: int, depth: int) -> None:
    _descend(held, number, depth)


def _second(held: list[bytearray], number: int, depth: int) -> None:
    _descend(held, number, depth)


def _third(held: list[bytearray], number: int, depth: int) -> None:
    _descend(held, number, depth)


_CALLERS: Final = (_first, _second, _third)


async def run() -> None:
    """Do as asked until the input ends."""
    import_module("diag.node")  # memray patches whatever library is loaded, so those of a node are
    gc.freeze()  # as a node does once it is made
    profilers, beat = Profilers(ProfileLock()), Beat()
    beating = asyncio.create_task(beat.run())
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        if asked["kind"] == "picture":
            told = await picture(profilers, beat, asked["allocations"], asked["mode"])
        else:
            told = await edges(profilers, beat, asked["kind"], asked["request"])
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    beating.cancel()


if __name__ == "__main__":
    uvloop.run(run())
