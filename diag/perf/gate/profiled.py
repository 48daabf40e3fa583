"""Profiles of a station at work, one slice each: a workload, a boot, and what was allocated at its peak."""

import io
import marshal
import os
import random
import signal
import subprocess
import sys
import time
from asyncio import Runner
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Final

from diag.errors import ProfilerError
from diag.perf.children import environment
from diag.perf.gate.cause import Slice
from diag.perf.gate.sample import BOOT, MEMORY_UNDER_LOAD, failures, shuffled, target_of
from diag.perf.gate.station import Station, cpu_seconds
from diag.perf.gate.workloads import WORKLOADS, Target, Workload
from diag.perf.node_process import NodeProcess
from diag.profilers.frames import fold
from diag.profilers.trace import fold_stats
from flamegraph.formats.folded import read_folded

#: Where the CPU time stands that no function returned from: the loop's, and threads without Python.
_NO_CALL: Final = "[no call]"
_WRITTEN_SECONDS: Final = 20.0
_FOLD_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.01

#: Slices of each station, in the order of the stations.
Taken = list[list[Slice]]


def workload(
    runner: Runner, stations: Sequence[Station], name: str, count: int, seconds: float, lot: random.Random
) -> Taken:
    """``count`` slices of each station, in turns, while the workload runs; every call is counted.

    Costs are nanoseconds a unit. Raises Crashed.
    """
    work = next(each for each in WORKLOADS if each.name == name)
    taken: dict[str, list[Slice]] = {station.label: [] for station in stations}
    files = {station.label: station.directory / "calls" for station in stations}

    async def run(nodes: Mapping[str, NodeProcess]) -> None:
        async with AsyncExitStack() as stack:
            targets = {
                station.label: await stack.enter_async_context(target_of(station, nodes[station.label]))
                for station in stations
            }
            for turn in range(count):
                for station in shuffled(stations, lot):
                    label = station.label
                    calls = _Calls(nodes[label].pid, files[label])
                    with failures(station, name, nodes[label]):
                        taken[label].append(
                            await _slice(work, targets[label], calls, seconds, 1_000 * (turn + 1))
                        )

    with ExitStack() as stack:
        extra = {label: {"DIAG_PERF_CALLS": str(file)} for label, file in files.items()}
        runner.run(run({each.label: stack.enter_context(each.fresh(extra[each.label])) for each in stations}))
    return [taken[station.label] for station in stations]


class _Calls:
    """What the functions of a process cost, which it writes to a file when it is asked."""

    def __init__(self, pid: int, file: Path) -> None:
        self.pid = pid
        self._file = file

    def since_the_last(self) -> Counter[str]:
        """Nanoseconds by stack. ProfilerError when nothing comes."""
        self._file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR2)
        _wait_for(self._file)
        weights: Counter[str] = Counter()
        for stats in marshal.loads(self._file.read_bytes()):  # noqa: S302 - our own child's bytes
            weights.update({stack: 1_000 * micros for stack, micros in fold_stats(stats).items()})
        return weights


async def _slice(work: Workload, target: Target, calls: _Calls, seconds: float, turn: int) -> Slice:
    calls.since_the_last()
    before, done = cpu_seconds(calls.pid), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done += await work.work(target, turn)
        turn += 1
    spent = round((cpu_seconds(calls.pid) - before) * 1e9)
    weights = calls.since_the_last()
    weights[_NO_CALL] += max(0, spent - weights.total())
    return Slice(read_folded(io.BytesIO(fold(weights)), "nanoseconds"), spent / done)


def boot(stations: Sequence[Station], count: int, lot: random.Random) -> Taken:
    """``count`` boots of each station in turns, sampled from their first import on; costs are nanoseconds.

    Raises Crashed.
    """
    taken: dict[str, list[Slice]] = {station.label: [] for station in stations}
    for turn in range(count):
        for station in shuffled(stations, lot):
            file = station.directory / f"boot{turn}.folded"
            with station.fresh({"DIAG_PERF_BOOT_PROFILE": str(file)}) as node, failures(station, BOOT, node):
                cost = cpu_seconds(node.pid) * 1e9
                os.kill(node.pid, signal.SIGUSR2)
                _wait_for(file)
                taken[station.label].append(Slice(read_folded(io.BytesIO(file.read_bytes())), cost))
    return [taken[station.label] for station in stations]


def imported(station: Station) -> set[str]:
    """The modules and packages at the top that a boot imports. Raises Crashed."""
    file = station.directory / "imported.folded"
    with station.fresh({"DIAG_PERF_BOOT_PROFILE": str(file)}) as node, failures(station, BOOT, node):
        os.kill(node.pid, signal.SIGUSR2)
        _wait_for(file)
        return set(Path(f"{file}.modules").read_text().split())


def memory(
    runner: Runner, stations: Sequence[Station], wanted: Collection[str], count: int, lot: random.Random
) -> Taken:
    """``count`` processes of each station in turns, each followed by memray from its start to its end.

    ``wanted`` are workloads, of which each does a slice. Profiles hold the bytes at the peak, and these are
    the cost too. Raises Crashed.
    """
    taken: dict[str, list[Slice]] = {station.label: [] for station in stations}
    for turn in range(count):
        for station in shuffled(stations, lot):
            file = station.directory / f"memory{turn}.bin"
            extra = {"DIAG_PERF_MEMRAY": str(file)}
            with station.fresh(extra) as node, failures(station, MEMORY_UNDER_LOAD):
                runner.run(_one_of_each(station, wanted))
                node.stop()
                taken[station.label].append(_peak(file))
            file.unlink(missing_ok=True)
    return [taken[station.label] for station in stations]


async def _one_of_each(station: Station, wanted: Collection[str]) -> None:
    async with target_of(station, station.node) as target:
        for work in WORKLOADS:
            if work.name in wanted:
                await work.work(target, 1)


def _peak(file: Path) -> Slice:
    command = [sys.executable, "-m", "diag.profilers.memray_fold", str(file), "peak", os.devnull]
    done = subprocess.run(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_FOLD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ProfilerError(f"memray's capture cannot be read: {done.stderr.decode(errors='replace')[-500:]}")
    profile = read_folded(io.BytesIO(done.stdout), "bytes")
    return Slice(profile, float(profile.total))


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + _WRITTEN_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise ProfilerError(f"The boot's profile was not written within {_WRITTEN_SECONDS:.0f} s.")
        time.sleep(_POLL_SECONDS)
