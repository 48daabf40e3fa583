"""When the node itself should keep a profile: thresholds on figures that are there anyway."""

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

#: Seconds over which the share of slow calls and the use of the CPU are judged.
RECENT: Final = 10.0
#: Seconds within which memory grows.
GROWTH: Final = 600.0
#: Of fewer calls no 99th percentile is known.
_LEAST_CALLS: Final = 100
_SLOW_SHARE: Final = 0.01

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """0 leaves one out. Milliseconds, bytes within ten minutes, percent of one processor over ten seconds.

    ``cooldown`` is in seconds, for each trigger by itself.
    """

    loop_lag_ms: float = 0
    p99_ms: float = 0
    rss_growth_bytes: int = 0
    cpu_percent: float = 0
    cooldown: float = 600.0


class Readings(NamedTuple):
    """The service now: the worst recent lag of its loop in seconds; calls so far, and those over ``p99_ms``.

    ``memory`` is bytes that are the process's own, ``cpu`` its seconds so far.
    """

    loop_lag: float
    calls: int
    slow_calls: int
    memory: int
    cpu: float


class Fired(NamedTuple):
    """``name`` stands in the profile's name, ``says`` is a sentence."""

    name: str
    says: str


class Triggers:
    """Looked at regularly, with the time of a clock that nobody sets."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._recent: deque[tuple[float, Readings]] = deque()
        self._memory: deque[tuple[float, int]] = deque()
        self._quiet_until: dict[str, float] = {}

    def look(self, now: float, readings: Readings) -> list[Fired]:
        """Those that fire; each is quiet for its cool-down afterwards."""
        _remember(self._recent, now, readings, RECENT)
        if not self._memory or now - self._memory[-1][0] >= RECENT:
            _remember(self._memory, now, readings.memory, GROWTH)
        found = [
            self._loop_lag(readings),
            self._p99(readings),
            self._growth(readings),
            self._cpu(now, readings),
        ]
        fired = [one for one in found if one is not None and now >= self._quiet_until.get(one.name, now)]
        for one in fired:
            self._quiet_until[one.name] = now + self._thresholds.cooldown
        return fired

    def _loop_lag(self, readings: Readings) -> Fired | None:
        most, lag = self._thresholds.loop_lag_ms, readings.loop_lag * 1000
        if not most or lag < most:
            return None
        return Fired("loop-lag", f"the event loop was {lag:.0f} ms late (threshold {most:g} ms)")

    def _p99(self, readings: Readings) -> Fired | None:
        most, before = self._thresholds.p99_ms, self._recent[0][1]
        calls, slow = readings.calls - before.calls, readings.slow_calls - before.slow_calls
        if not most or calls < _LEAST_CALLS or slow <= _SLOW_SHARE * calls:
            return None
        return Fired(
            "p99", f"{slow} of {calls} calls took longer than {most:g} ms, which is the threshold of p99"
        )

    def _growth(self, readings: Readings) -> Fired | None:
        most = self._thresholds.rss_growth_bytes
        growth = readings.memory - min(size for _, size in self._memory)
        if not most or growth < most:
            return None
        self._memory.clear()  # the growth after this one is another
        return Fired(
            "rss-growth", f"memory grew by {growth >> 20} MiB within ten minutes (threshold {most >> 20} MiB)"
        )

    def _cpu(self, now: float, readings: Readings) -> Fired | None:
        most, (since, before) = self._thresholds.cpu_percent, self._recent[0]
        seconds = now - since
        if not most or seconds < 0.8 * RECENT:
            return None
        percent = 100 * (readings.cpu - before.cpu) / seconds
        if percent < most:
            return None
        return Fired(
            "cpu",
            f"the process used {percent:.0f} % of a processor for {seconds:.0f} s (threshold {most:g} %)",
        )


def _remember(kept: deque[tuple[float, T]], now: float, value: T, seconds: float) -> None:
    kept.append((now, value))
    while len(kept) > 1 and now - kept[0][0] > seconds:
        kept.popleft()
