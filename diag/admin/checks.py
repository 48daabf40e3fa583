"""Named readiness checks. Each says why it fails, because a probe's log is often all there is."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from diag.errors import MetaError
from diag.metrics.lag import LoopLag
from diag.replication import OrderedLog

MIN_FREE_BYTES = 64 * 1024 * 1024
MAX_LAG_SECONDS = 2.0
MAX_STALL_SECONDS = 5.0


class Check(NamedTuple):
    """``run`` returns None when all is well, otherwise the reason. It runs on the loop, so is quick."""

    name: str
    run: Callable[[], str | None]


def node_checks(
    log: OrderedLog, lag: LoopLag, data_dir: Path, read_store: Callable[[], object]
) -> tuple[Check, ...]:
    """The checks of one node; ``read_store`` is any cheap read of the state machine."""
    return (
        Check("store_readable", lambda: _readable(read_store)),
        Check("has_leader", lambda: _has_leader(log)),
        Check("write_path", WritePath(log)),
        Check("disk_space", lambda: _disk_space(data_dir)),
        Check("loop_lag", lambda: _loop_lag(lag)),
    )


class WritePath:
    """Fails when proposals fail with none succeeding, or wait with none being applied, since the last look.

    It judges the traffic there is: a probe that wrote would grow the log of an idle node.
    """

    def __init__(self, log: OrderedLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._applied = -1
        self._failed = 0
        self._failing = False
        self._moved_at = clock()

    def __call__(self) -> str | None:
        applied = self._log.status().last_applied.index
        counters = self._log.counters()
        now = self._clock()
        if applied != self._applied or counters.proposals_pending == 0:
            self._moved_at = now
        if applied != self._applied:
            self._failing = False
        elif counters.proposals_failed > self._failed:
            self._failing = True
        self._applied, self._failed = applied, counters.proposals_failed
        if self._failing:
            return f"proposals fail ({self._failed} so far) and none was applied after index {applied}"
        if now - self._moved_at > MAX_STALL_SECONDS:
            waited = now - self._moved_at
            return f"{counters.proposals_pending} proposals wait and none was applied for {waited:.1f} s"
        return None


def _readable(read_store: Callable[[], object]) -> str | None:
    try:
        read_store()
    except MetaError as error:
        return str(error)
    return None


def _has_leader(log: OrderedLog) -> str | None:
    status = log.status()
    return None if status.leader else f"no leader is known; this node's state is {status.state}"


def _disk_space(data_dir: Path) -> str | None:
    try:
        free = shutil.disk_usage(data_dir).free
    except OSError as error:
        return f"{data_dir}: {error.strerror}"
    if free >= MIN_FREE_BYTES:
        return None
    return f"{free // 2**20} MiB are free at {data_dir}; {MIN_FREE_BYTES // 2**20} MiB are needed"


def _loop_lag(lag: LoopLag) -> str | None:
    worst = lag.worst()
    return None if worst <= MAX_LAG_SECONDS else f"the event loop was late by {worst:.2f} s"
