"""A process that burns CPU in known shares and profiles itself: ``python -m diag.perf.truth_child WORKLOAD``.

Each line of input is a JSON object, the fields of a CpuRequest, and ``clock`` for that of ticks; each line
of output tells the stacks and, by the kernel's clocks over the same time, the CPU seconds of each function
and of the whole process.
"""

import asyncio
import hashlib
import json
import os
import random
import sys
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

import uvloop

from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.lock import ProfileLock
from diag.profilers.requests import CpuRequest
from diag.profilers.sampler import Sampler
from diag.profilers.span import Span
from diag.profilers.tick_clock import TickClock

_NOISE: Final = os.urandom(16_000)
_MUCH: Final = os.urandom(256_000)
_DOCUMENT: Final = {f"key{number}": [number, str(number), None, 0.5] for number in range(500)}


def count_up() -> None:
    """Python alone."""
    for number in range(10_000):
        number + 1


def call_much() -> None:
    """Python calls."""
    for _ in range(1_000):
        _leaf(3)


def build_text() -> None:
    """Python and short C calls."""
    ",".join(str(number) for number in range(2_000))


def encode_json() -> None:
    """C that holds the interpreter lock."""
    json.dumps(_DOCUMENT)


def compress_zlib() -> None:
    """C that releases it."""
    zlib.compress(_NOISE)


def hash_sha256() -> None:
    """C that releases it, for less time."""
    hashlib.sha256(_MUCH).digest()


def _leaf(depth: int) -> None:
    if depth:
        _leaf(depth - 1)


#: Of each workload: CPU milliseconds of every function a turn, and the pause between two turns.
WORKLOADS: Final[Mapping[str, tuple[Mapping[Callable[[], None], float], float]]] = {
    "Python-heavy": ({count_up: 6, call_much: 3, build_text: 1}, 0.0),
    "C-heavy leaves": ({encode_json: 4, compress_zlib: 3, hash_sha256: 3}, 0.0),
    "mostly idle loop": ({count_up: 3, encode_json: 2}, 0.045),
    "parked threads": ({count_up: 3, encode_json: 2}, 0.005),
    "threads without the lock": ({count_up: 3, encode_json: 2}, 0.005),
}


class Truth:
    """The workload's doings and what each has cost."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    def spend(self, work: Callable[[], None], seconds: float) -> None:
        """Do the work until the thread has used so much CPU."""
        began = time.thread_time()
        while (now := time.thread_time()) < began + seconds:
            work()
        self.spent[work.__name__] += now - began

    async def loop(self, turn: Mapping[Callable[[], None], float], pause: float) -> None:
        """Turn after turn until cancelled."""
        while True:
            for work, milliseconds in turn.items():
                # of another length each time, so as not to keep step with the kernel's tick
                self.spend(work, milliseconds / 1e3 * random.uniform(0.5, 1.5))
            await asyncio.sleep(pause)

    def beside(self) -> None:
        """A thread that compresses about a third of the time."""
        while True:
            self.spend(compress_zlib, 0.005)
            time.sleep(0.01)


async def profile(profilers: Profilers, asked: dict[str, Any]) -> Capture:
    """As a node does, or by the clock of ticks."""
    if asked.pop("clock", None) is None:
        return await profilers.cpu(CpuRequest(**asked), "the benchmark")
    return await Sampler(CpuRequest(**asked), Span(), clock=TickClock()).run()


async def run(workload: str) -> None:
    """Profile as asked until the input ends."""
    truth, profilers = Truth(), Profilers(ProfileLock())
    if workload == "parked threads":
        for _ in range(1_000):
            threading.Thread(target=threading.Event().wait, name="parked", daemon=True).start()
    if workload == "threads without the lock":
        threading.Thread(target=truth.beside, name="compressor", daemon=True).start()
    work = asyncio.create_task(truth.loop(*WORKLOADS[workload]))
    while line := await asyncio.to_thread(sys.stdin.readline):
        before, cpu = truth.spent.copy(), time.process_time()
        capture = await profile(profilers, json.loads(line))
        spent = {name: seconds - before[name] for name, seconds in truth.spent.items()}
        told: dict[str, Any] = {"spent": spent, "cpu": time.process_time() - cpu, "engine": capture.engine}
        told |= {"folded": capture.folded.decode(), "errors": capture.errors}
        told["looks"] = capture.samples if capture.looks is None else capture.looks
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    work.cancel()


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1]))
