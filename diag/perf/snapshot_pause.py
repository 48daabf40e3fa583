"""How long writers wait at most while all three nodes of a cluster write a snapshot.

``python -m diag.perf.snapshot_pause --mib 256`` measures with a state of another size than 1 GiB. The nodes
share this machine's cores and disk, so the snapshots are written at once on one disk: a cluster of machines
has it easier. The same writers before the snapshot say what the machine itself makes of them.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import click
import httpx
import uvloop
from rich.console import Console

from diag.kv.apply import apply
from diag.kv.commands import Branch, MatchSeq, Put, Transaction, Upsert
from diag.kv.directory import DATA_DIR
from diag.kv.state import Position
from diag.kv.store import Store
from diag.perf.figures import Figure, table
from diag.perf.three_nodes import ThreeNodes, founders_dir, three_nodes
from diag.replication.cluster import ClusterEngine

MIB = 1024
_TARGET_MS = 50.0
_WRITERS = 16
#: Seconds of writing before the snapshot, and after it is everywhere, for the compaction that follows.
_BEFORE = 10.0
_AFTER = 3.0
_START_SECONDS = 300.0
_SNAPSHOT_SECONDS = 300.0
_VALUE = 2000
_BATCH = 10_000


class Pause(NamedTuple):
    """Longest ms without an acknowledgement, before the snapshot and with it, and its bytes and seconds."""

    without: float
    longest: float
    slowest_write: float
    size: int
    seconds: float


def measure(directory: Path, mib: int = MIB) -> list[Figure]:
    """The longest pause while a state of ``mib`` MiB is written on every node."""
    fill(founders_dir(directory) / DATA_DIR, mib)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pause = runner.run(_measure(directory))
    title = f"three nodes: longest pause of {_WRITERS} writers at a snapshot of {mib:,} MiB"
    detail = (
        f"{pause.without:.1f} ms without one, slowest write {pause.slowest_write:.1f} ms, "
        f"{pause.size / 2**20:,.0f} MiB on each node in {pause.seconds:.1f} s"
    )
    return [Figure(title, pause.longest, "<=", _TARGET_MS, "ms", detail)]


def fill(path: Path, mib: int) -> None:
    """A store of node 1 whose records take ``mib`` MiB or a little more, as an import leaves it."""
    value = b"v" * _VALUE
    with Store.open(path, node_id=1, sync=False) as store:
        done = 0
        while store.size() < mib * 2**20:
            with store.write() as txn:
                for number in range(done, done + _BATCH):
                    apply(txn, Upsert(f"bench/held/{number:09d}", MatchSeq(), value), 0)
                done += _BATCH
                txn.set_applied(Position(1, 1, done))
        store.sync()


async def _measure(directory: Path) -> Pause:
    async with three_nodes(directory, within=_START_SECONDS) as nodes:
        writers = _Writers(nodes.engine)
        async with asyncio.TaskGroup() as group:
            for number in range(_WRITERS):
                group.create_task(writers.run(number))
            try:
                return await _around_a_snapshot(nodes, writers)
            finally:
                writers.stopped = True


async def _around_a_snapshot(nodes: ThreeNodes, writers: "_Writers") -> Pause:
    await asyncio.sleep(_BEFORE)
    before = writers.take()
    started = time.perf_counter()
    # In a thread, so that what a writer waits for is never this measurement.
    await asyncio.to_thread(_have_one_written, nodes.founder.admin)
    seconds = time.perf_counter() - started
    await asyncio.sleep(_AFTER)
    during = writers.take()
    written = nodes.engine.snapshots.latest()
    assert written is not None
    return Pause(
        longest_gap(answered for _, answered in before) * 1000,
        longest_gap(answered for _, answered in during) * 1000,
        max(answered - asked for asked, answered in during) * 1000,
        written.size,
        seconds,
    )


class _Writers:
    """Closed loops that put keys through a node's log, and when each put was asked for and acknowledged."""

    def __init__(self, engine: ClusterEngine) -> None:
        self.stopped = False
        self._engine = engine
        self._puts: list[tuple[float, float]] = []

    async def run(self, number: int) -> None:
        put = Transaction((Branch(None, (Put(f"bench/written/{number}", b"v" * 100),)),))
        while not self.stopped:
            asked = time.perf_counter()
            await self._engine.log.propose(put)
            self._puts.append((asked, time.perf_counter()))

    def take(self) -> list[tuple[float, float]]:
        """What was put since the last call, the last put before it included."""
        taken, self._puts = self._puts, self._puts[-1:]
        return taken


def longest_gap(moments: Iterable[float]) -> float:
    """The most seconds between two moments that follow each other, 0 for fewer than two."""
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


def _have_one_written(admin: str) -> None:
    """Returns when every node holds it."""
    url = f"http://{admin}/v1/ctrl/trigger_snapshot?wait={_SNAPSHOT_SECONDS:g}"
    httpx.get(url, timeout=_SNAPSHOT_SECONDS + 10, trust_env=False).raise_for_status()


@click.command()
@click.option("--mib", type=click.IntRange(1), default=MIB, show_default=True, help="Size of the state.")
def main(mib: int) -> None:
    """Measure the longest pause of writers while three nodes write a snapshot."""
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="pause-") as place:
        Console(width=200).print(table(measure(Path(place), mib)))


if __name__ == "__main__":
    main()
