"""``python -m diag.faults``: every fault on a real cluster, and a table of what it kept."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from diag.errors import MetaError
from diag.faults.scenario import Fault, Pace
from diag.faults.scenarios import needs_moved, scenarios
from diag.faults.suite import run_all
from diag.faults.table import Row, render
from diag.faults.three import ThreeNodes

_PACE = Pace(before=0.7, grace=1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the faults that were asked for; 1 when one of them failed."""
    names = [fault.name for fault in scenarios()]
    parser = argparse.ArgumentParser(prog="python -m diag.faults", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=names, choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--seconds", type=float, default=2.5, help="how long each fault lasts")
    parser.add_argument(
        "--out", type=Path, default=Path("build/faults"), help="for what nodes and clients say"
    )
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order: nothing is left behind
    faults = [fault for fault in scenarios() if fault.name in given.only]
    rows: list[Row] = []
    for moved in (False, True):
        group = [fault for fault in faults if needs_moved(fault) is moved]
        if group:
            rows += _on_a_cluster(
                group, given.seconds, given.out.resolve() / ("moved" if moved else "apart"), moved
            )
    sys.stdout.write(render(rows))
    return 1 if any(row.verdict == "FAIL" for row in rows) else 0


def _on_a_cluster(faults: Sequence[Fault], seconds: float, out: Path, moved: bool) -> list[Row]:
    try:
        with ThreeNodes(out, apart=not moved, moved=moved) as cluster:
            return asyncio.run(run_all(cluster, faults, seconds, pace=_PACE, directory=out, tell=_tell))
    except MetaError as error:
        return [Row(fault.name, problems=(f"the cluster did not start or end: {error}",)) for fault in faults]


def _tell(row: Row) -> None:
    sys.stderr.write(f"{row.verdict:8}{row.fault} ({row.seconds:.1f} s)\n")


if __name__ == "__main__":
    sys.exit(main())
