"""``python -m diag.perf.gate.record OUT``: measure equal and slowed processes of this code side by side."""

import os
import platform
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from diag.perf.gate.arms import BENCHMARKS, FUNCTION, Arms, arms
from diag.perf.gate.hogs import hogs
from diag.perf.gate.inject import VARIABLE
from diag.perf.gate.recording import ARMS, SLOWED, Recording, Round
from diag.perf.gate.sample import measure
from diag.perf.gate.station import fastest_disk


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--seconds", type=click.FloatRange(1), default=240.0, show_default=True)
@click.option(
    "--with-hogs", type=click.IntRange(0), default=0, show_default=True, help="Processes that compute beside."
)
def main(out: Path, seconds: float, with_hogs: int) -> None:
    """Record rounds for so many seconds, in an order of the arms drawn by lot for each slice."""
    shares = {arm: SLOWED.get(arm, 0.0) for arm in ARMS}
    disk = fastest_disk()
    with (
        tempfile.TemporaryDirectory(prefix="perf-", dir=disk) as place,
        hogs(with_hogs),  # first, for what is started later is served first
        arms(Path(place), shares) as ready,
    ):
        rounds = _rounds(ready, seconds)
        commit = ready.source.commit
    about = {
        "made": f"python -m diag.perf.gate.record --seconds {seconds:g} --with-hogs {with_hogs}",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "arms": ", ".join(ARMS),
        "slowed": f"{VARIABLE}={FUNCTION}:SHARE",
        "costs": "CPU seconds of the server a request, the median over the slices of one process",
    }
    Recording(about, rounds).write(out)
    click.echo(f"{out}: {len(rounds)} rounds")


def _rounds(ready: Arms, seconds: float) -> list[Round]:
    lot = random.Random()
    found: list[Round] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        costs = measure(ready.runner, ready.stations, BENCHMARKS, lot)
        found.append({name: [float(f"{cost[name]:.5g}") for cost in costs] for name in BENCHMARKS})
    return found


if __name__ == "__main__":
    main()
