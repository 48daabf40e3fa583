"""What the service has done so far, as cheaply as it can be told: counters that are there anyway."""

import time
from collections.abc import Callable

from diag.metrics.lag import LoopLag
from diag.metrics.registry import Metrics
from diag.profilers.about import Load


def load_of(metrics: Metrics, lag: LoopLag) -> Callable[[], Load]:
    """Reads RPCs answered, the event loop's worst lag of the last seconds, and this process's CPU time."""

    def now() -> Load:
        return Load(
            requests=metrics.req_success + metrics.req_failed,
            loop_lag_seconds=lag.worst(),
            cpu_seconds=time.process_time(),
        )

    return now
