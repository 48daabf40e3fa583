"""Named readiness checks. Each says why it fails, because a probe's log is often all there is."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from diag.admin.write_path import WritePath
from diag.errors import MetaError
from diag.metrics.lag import LoopLag
from diag.replication import OrderedLog

MIN_FREE_BYTES = 64 * 1024 * 1024
MAX_LAG_SECONDS = 2.0

#: A node whose cluster does not agree on a read within so many seconds serves none.
READ_SECONDS = 1.0

#: Entries known and not yet applied, from which on a node is behind rather than busy.
MAX_APPLY_LAG = 1000


class Check(NamedTuple):
    """``run`` returns None when all is well, otherwise the reason. It runs on the loop, and not for long."""

    name: str
    run: Callable[[], Awaitable[str | None]]


def node_checks(
    log: OrderedLog,
    lag: LoopLag,
    data_dir: Path,
    read_store: Callable[[], object],
    read_patience: float = READ_SECONDS,
    removed: Callable[[], str | None] = lambda: None,
) -> tuple[Check, ...]:
    """The checks of one node; ``read_store`` is any cheap read of the state machine.

    ``read_patience`` bounds in seconds how long the cluster may take to agree on a read.
    ``removed`` says what to do once the cluster has taken this node out.
    """
    return (
        Check("store_readable", lambda: _readable(read_store)),
        Check("has_leader", lambda: _has_leader(log, removed)),
        Check("linearizable_read", lambda: _linearizable_read(log, read_patience)),
        Check("apply_lag", lambda: _apply_lag(log)),
        Check("write_path", WritePath(log)),
        Check("disk_space", lambda: _disk_space(data_dir)),
        Check("loop_lag", lambda: _loop_lag(lag)),
    )


async def _readable(read_store: Callable[[], object]) -> str | None:
    try:
        read_store()
    except MetaError as error:
        return str(error)
    return None


async def _has_leader(log: OrderedLog, removed: Callable[[], str | None]) -> str | None:
    if (reason := removed()) is not None:
        return reason
    status = log.status()
    return None if status.leader else f"no leader is known; this node's state is {status.state}"


async def _linearizable_read(log: OrderedLog, patience: float) -> str | None:
    try:
        async with asyncio.timeout(patience):
            await log.read_index()
    except TimeoutError:
        return f"the cluster did not agree on a read within {patience:g} s"
    except MetaError as error:
        return str(error)
    return None


async def _apply_lag(log: OrderedLog) -> str | None:
    status = log.status()
    behind = status.last_log_index - status.last_applied.index
    if behind <= MAX_APPLY_LAG:
        return None
    return f"{behind} entries of the log are not applied yet; {MAX_APPLY_LAG} may be"


async def _disk_space(data_dir: Path) -> str | None:
    try:
        free = shutil.disk_usage(data_dir).free
    except OSError as error:
        return f"{data_dir}: {error.strerror}"
    if free >= MIN_FREE_BYTES:
        return None
    return f"{free // 2**20} MiB are free at {data_dir}; {MIN_FREE_BYTES // 2**20} MiB are needed"


async def _loop_lag(lag: LoopLag) -> str | None:
    worst = lag.worst()
    return None if worst <= MAX_LAG_SECONDS else f"the event loop was late by {worst:.2f} s"
