"""The embedded log against a bare LMDB loop of the same batches, in one process and run.

``python -m diag.perf.log_bench`` prints one line; ``compare`` returns the figures.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import lmdb

from diag.kv.commands import Branch, Put, Transaction
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import NodeAddress
from diag.replication.local import LocalLog

_VALUE = b"v" * 100
_KEYS = 20_000


@dataclass(frozen=True)
class LogFigures:
    """Commands per second, the same of the bare loop, their ratio, and the median latency in ms."""

    proposers: int
    commands_per_second: float
    bare_per_second: float
    ratio: float
    p50_ms: float


def compare(proposers: int, seconds: float = 2.0, directory: Path | None = None) -> LogFigures:
    """Run ``proposers`` closed loops of one-put transactions, then the bare loop, for ``seconds`` each.

    Both with fsync. The bare loop does one get and one put a command and commits every ``proposers`` of them.
    """
    with tempfile.TemporaryDirectory(prefix="log-bench-", dir=directory) as place:
        rate, p50 = asyncio.run(_through_the_log(Path(place) / "log", proposers, seconds))
        bare = _bare(Path(place) / "bare", proposers, seconds)
    return LogFigures(proposers, rate, bare, rate / bare, p50)


async def _through_the_log(place: Path, proposers: int, seconds: float) -> tuple[float, float]:
    node = NodeAddress(0, "0", "127.0.0.1", 0, None)
    log = LocalLog(
        Store.open(place / "store"),
        node,
        SnapshotStore(place / "snapshots"),
        _now_ms,
        snapshot_logs_since_last=1 << 60,
    )
    await log.start()
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def proposer(number: int) -> None:
        turn = number
        while (began := time.perf_counter()) < end:
            key = f"bench/{turn % _KEYS:08d}"
            await log.propose(Transaction((Branch(None, (Put(key, _VALUE),)),)))
            taken.append(time.perf_counter() - began)
            turn += proposers

    started = time.perf_counter()
    await asyncio.gather(*(proposer(number) for number in range(proposers)))
    elapsed = time.perf_counter() - started
    await log.stop()
    taken.sort()
    return len(taken) / elapsed, taken[len(taken) // 2] * 1000


def _bare(place: Path, batch: int, seconds: float) -> float:
    place.mkdir()
    done = 0
    with lmdb.open(str(place), map_size=1 << 32, max_dbs=1, lib_version=0) as env:
        table = env.open_db(b"records")
        started = time.perf_counter()
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
@click.option("--seconds", default=2.0, show_default=True, help="How long each side runs.")
@click.option("--proposers", default=(1, 16, 256), multiple=True, show_default=True)
def main(seconds: float, proposers: tuple[int, ...]) -> None:
    """Commands per second of the embedded log, as a ratio to a bare LMDB loop."""
    echo: Callable[[str], None] = click.echo
    for count in proposers:
        echo(line(compare(count, seconds)))


if __name__ == "__main__":
    main()
