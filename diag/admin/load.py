"""What the service has done so far, as cheaply as it can be told: counters that are there anyway."""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from diag.metrics.lag import LoopLag
from diag.metrics.pace import Pace
from diag.metrics.registry import Metrics
from diag.profilers.about import Load
from diag.profilers.triggers import Readings

_STATM: Final = Path("/proc/self/statm")


def load_of(metrics: Metrics, lag: LoopLag) -> Callable[[float], Load]:
    """Reads RPCs answered, the event loop's worst lag of so many seconds, and this process's CPU time."""

    def answered() -> int:
        return metrics.req_success + metrics.req_failed

    pace = Pace(answered)
    lag.also(pace.note)

    def now(seconds: float) -> Load:
        return Load(
            requests=answered(),
            requests_before=pace.per_second(),
            loop_lag_seconds=lag.worst(within=seconds),
            cpu_seconds=time.process_time(),
        )

    return now


def readings_of(metrics: Metrics, lag: LoopLag, slow_ms: float) -> Callable[[], Readings]:
    """Reads what triggers look at; a slow call is one over ``slow_ms``."""

    def now() -> Readings:
        metrics.fold()
        return Readings(
            loop_lag=lag.worst(),
            calls=metrics.delay_all.count(),
            slow_calls=metrics.delay_all.over(slow_ms),
            memory=_own_memory(),
            cpu=time.process_time(),
        )

    return now


def _own_memory() -> int:
    """Bytes in memory, mapped files left out, as those are the system's; 0 where it is not told."""
    try:
        fields = _STATM.read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize()
