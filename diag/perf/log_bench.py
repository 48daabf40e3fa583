"""The embedded log against a bare LMDB loop of the same batches, in one process and run.

``python -m diag.perf.log_bench`` prints one line; ``compare`` returns the figures.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import lmdb
import uvloop

from diag.kv.commands import Branch, Put, Transaction
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import NodeAddress
from diag.replication.local import LocalLog

_VALUE = b"v" * 100
_KEYS = 20_000


@dataclass(frozen=True)
class LogFigures:
    """Commands per second, the same of the bare loop, the ratio, the median latency in ms; medians all."""

    proposers: int
    commands_per_second: float
    bare_per_second: float
    ratio: float
    p50_ms: float


def compare(
    proposers: int, *, rounds: int = 6, seconds: float = 0.5, directory: Path | None = None
) -> LogFigures:
    """Closed loops of one-put transactions and the bare loop in turns, ``seconds`` each, both with fsync.

    The bare loop does one get and one put a command and commits every ``proposers`` of them.
    """
    with (
        tempfile.TemporaryDirectory(prefix="log-bench-", dir=directory) as place,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # the loop that a node runs on
    ):
        return runner.run(_compare(Path(place), proposers, rounds, seconds))


async def _compare(place: Path, proposers: int, rounds: int, seconds: float) -> LogFigures:
    log = LocalLog(
        Store.open(place / "store"),
        NodeAddress(0, "0", "127.0.0.1", 0, None),
        SnapshotStore(place / "snapshots"),
        _now_ms,
        snapshot_logs_since_last=1 << 60,
    )
    await log.start()
    (place / "bare").mkdir()
    ours, bare, taken = [], [], list[float]()
    with lmdb.open(str(place / "bare"), map_size=1 << 32, max_dbs=1, lib_version=0) as env:
        table = env.open_db(b"records")
        for _ in range(rounds):
            ours.append(await _through(log, proposers, seconds, taken))
            bare.append(_bare(env, table, proposers, seconds))
    await log.stop()
    ratio = median(mine / other for mine, other in zip(ours, bare, strict=True))
    return LogFigures(proposers, median(ours), median(bare), ratio, median(taken) * 1000)


async def _through(log: LocalLog, proposers: int, seconds: float, taken: list[float]) -> float:
    """Commands a second; their latencies are added to ``taken``."""
    before, started = len(taken), time.perf_counter()
    end = started + seconds

    async def proposer(number: int) -> None:
        turn = number
        while (began := time.perf_counter()) < end:
            key = f"bench/{turn % _KEYS:08d}"
            await log.propose(Transaction((Branch(None, (Put(key, _VALUE),)),)))
            taken.append(time.perf_counter() - began)
            turn += proposers

    await asyncio.gather(*(proposer(number) for number in range(proposers)))
    return (len(taken) - before) / (time.perf_counter() - started)


def _bare(env: lmdb.Environment, table: "lmdb._Database", batch: int, seconds: float) -> float:
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        with env.begin(write=True, db=table) as txn:
            for turn in range(done, done + batch):
                key = b"bench/%08d" % (turn % _KEYS)
                txn.get(key)
                txn.put(key, _VALUE)
        done += batch
    return done / elapsed


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def line(figures: LogFigures) -> str:
    """One figure a reader can compare with another run's."""
    return (
        f"{figures.proposers:4d} proposers: {figures.commands_per_second:8,.0f} commands/s with fsync, "
        f"p50 {figures.p50_ms:.2f} ms; bare LMDB loop {figures.bare_per_second:8,.0f}/s; "
        f"ratio {figures.ratio:.2f}"
    )


@click.command()
@click.option("--rounds", default=6, show_default=True, help="How often each side runs half a second.")
@click.option("--proposers", default=(1, 16, 256), multiple=True, show_default=True)
def main(rounds: int, proposers: tuple[int, ...]) -> None:
    """Commands per second of the embedded log, as a ratio to a bare LMDB loop."""
    echo: Callable[[str], None] = click.echo
    for count in proposers:
        echo(line(compare(count, rounds=rounds)))


if __name__ == "__main__":
    main()
