"""The last hour of a node in a few figures, one point every ten seconds, in bounded memory.

A scraper keeps such figures for months; this is for the moment when there is none at hand.
"""

import resource
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from diag.metrics.lag import LoopLag
from diag.metrics.looks import Looks
from diag.metrics.registry import Metrics

#: Seconds between two points, and the points that are kept.
STEP: Final = 10.0
POINTS: Final = 360

_STATM: Final = Path("/proc/self/statm")


class Point(NamedTuple):
    """One step, told at its end.

    ``when`` is in seconds since 1970. ``rate`` counts calls answered a second, ``p50`` and ``p99`` are how
    long they took in seconds, None where there were none. ``loop_lag`` is the worst in seconds, ``cpu`` the
    share of one processor, ``rss`` bytes in memory, 0 where the system does not tell.
    """

    when: float
    rate: float
    p50: float | None
    p99: float | None
    loop_lag: float
    cpu: float
    rss: int
    watchers: int


class History:
    """Looks at the counters at each step. ``start`` it on the loop whose calls they count."""

    def __init__(
        self,
        metrics: Metrics,
        lag: LoopLag,
        *,
        step: float = STEP,
        points: int = POINTS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.step = step
        self._metrics = metrics
        self._lag = lag
        self._clock = clock
        self._monotonic = monotonic
        self._points = Looks(self._point, step, points, "history")
        self._since = (monotonic(), _answered(metrics), time.process_time())

    def points(self) -> Sequence[Point]:
        """The oldest first."""
        return self._points.kept()

    def last(self) -> Point | None:
        """The newest; None within the first step."""
        return self._points.last()

    def start(self) -> None:
        """Begin on the running loop."""
        self._points.start()

    async def stop(self) -> None:
        """End; may be called twice."""
        await self._points.stop()

    def look(self) -> None:
        """Close the step that runs."""
        self._points.look()

    def _point(self) -> Point:
        self._metrics.fold()
        now, answered, cpu = self._monotonic(), _answered(self._metrics), time.process_time()
        before, answered_before, cpu_before = self._since
        self._since = (now, answered, cpu)
        seconds = max(now - before, 1e-9)
        delays = self._metrics.recent.take()
        return Point(
            when=round(self._clock(), 1),
            rate=round((answered - answered_before) / seconds, 2),
            p50=_quantile(delays, 0.5),
            p99=_quantile(delays, 0.99),
            loop_lag=round(self._lag.worst(within=seconds), 6),
            cpu=round((cpu - cpu_before) / seconds, 4),
            rss=_resident(),
            watchers=self._metrics.watchers,
        )


def parts(points: Sequence[Point], step: float) -> list[Sequence[Point]]:
    """The points in stretches without a gap: while a machine sleeps or a node is stopped there are none."""
    cuts = [at for at, (one, next_) in enumerate(pairwise(points), 1) if next_.when - one.when > 3 * step]
    edges = [0, *cuts, len(points)]
    return [points[start:end] for start, end in pairwise(edges) if start < end]


def _answered(metrics: Metrics) -> int:
    return metrics.req_success + metrics.req_failed


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 6) if ordered else None


def _resident() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
