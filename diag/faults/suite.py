"""All faults one after the other on one cluster."""

from collections.abc import Callable, Iterable
from pathlib import Path

from diag.faults.cluster import Cluster
from diag.faults.scenario import Fault, Pace, run
from diag.faults.table import Row

_NOT_RUN = "the cluster did not recover from the fault before"


async def run_all(
    cluster: Cluster,
    faults: Iterable[Fault],
    seconds: float,
    *,
    pace: Pace | None = None,
    directory: Path | None = None,
    tell: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """A row a fault, told as it comes. After one that the cluster did not recover from, all are skipped."""
    rows: list[Row] = []
    for fault in faults:
        if any(row.recovered_in is None and not row.skipped for row in rows):
            rows.append(Row(fault.name, skipped=_NOT_RUN))
        else:
            rows.append(await run(cluster, fault, seconds, pace=pace, directory=directory))
        tell(rows[-1])
    return rows
