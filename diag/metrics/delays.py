"""How long calls take: cumulative histograms and quantiles of a recent window, in bounded memory."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from ddsketch import LogCollapsingLowestDenseDDSketch

#: Upper bounds in ms (wire protocol, section 9): 1 2 3 4 5 7 times 10^0 .. 10^4.
BOUNDS_MS: tuple[int, ...] = tuple(m * 10**e for e in range(5) for m in (1, 2, 3, 4, 5, 7))

#: Quantiles of the contract's summary, written as the contract writes them.
QUANTILES: tuple[tuple[str, float], ...] = tuple(
    (text, float(text)) for text in ("0", "0.5", "0.9", "0.95", "0.99", "0.999", "1")
)

_RELATIVE_ERROR = 0.01
_MAX_BINS = 2048
_MS = 1000.0


class Histogram:
    """Counts of delays by ``BOUNDS_MS``; the last bucket holds everything above."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_MS) + 1)
        self.sum_ms = 0.0

    def add(self, seconds: float) -> None:
        """Count one delay. Kept exact: a call of 0.2 ms adds 0.2 to the sum, and lands in ``le="1"``."""
        milliseconds = seconds * _MS
        self.sum_ms += milliseconds
        self._counts[bisect_left(BOUNDS_MS, milliseconds)] += 1

    def count(self) -> int:
        """All delays."""
        return sum(self._counts)

    def over(self, milliseconds: float) -> int:
        """Delays above the first of ``BOUNDS_MS`` that is not below ``milliseconds``."""
        return sum(self._counts[bisect_left(BOUNDS_MS, milliseconds) + 1 :])

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative ``(le, count)`` pairs in ascending order, ``+Inf`` last."""
        total, pairs = 0, []
        labels = [f"{bound}.0" for bound in BOUNDS_MS] + ["+Inf"]
        for label, count in zip(labels, self._counts, strict=True):
            total += count
            pairs.append((label, float(total)))
        return pairs


class _Slice:
    """One stretch of time: a sketch, and the exact extremes that a sketch only approximates."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.sketch = LogCollapsingLowestDenseDDSketch(_RELATIVE_ERROR, _MAX_BINS)
        self.least = float("inf")
        self.most = float("-inf")

    def add(self, values: Sequence[float]) -> None:
        add = self.sketch.add
        for value in values:
            add(value)
        self.least = min(self.least, *values)
        self.most = max(self.most, *values)


class Summary:
    """Quantiles over the last ``slices * slice_seconds`` seconds; sum and count since start.

    A window, because quantiles since start answer nothing about now after a
    week; sum and count stay cumulative so that a scraper can form rates.
    Quantiles 0 and 1 are exact, the others within 1 percent.
    """

    def __init__(self, clock: Callable[[], float], slices: int = 5, slice_seconds: float = 120.0) -> None:
        self._clock = clock
        self._slices = slices
        self._slice_seconds = slice_seconds
        self._window: list[_Slice] = []
        self.sum = 0.0
        self.count = 0

    def add(self, values: Sequence[float]) -> None:
        """Fold a non-empty batch of delays in seconds into the current slice."""
        now = self._clock()
        self._drop_old(now)
        if not self._window or now - self._window[-1].started >= self._slice_seconds:
            self._window.append(_Slice(now))
        self._window[-1].add(values)
        self.sum += sum(values)
        self.count += len(values)

    def quantiles(self) -> list[tuple[str, float]]:
        """``(quantile, seconds)`` pairs; NaN where the window saw no call, as the format has it."""
        self._drop_old(self._clock())
        if not self._window:
            return [(text, float("nan")) for text, _ in QUANTILES]
        least = min(part.least for part in self._window)
        most = max(part.most for part in self._window)
        merged = _merged(part.sketch for part in self._window)
        return [
            (text, least if q <= 0 else most if q >= 1 else _within(merged, q, least, most))
            for text, q in QUANTILES
        ]

    def _drop_old(self, now: float) -> None:
        oldest = now - self._slices * self._slice_seconds
        while self._window and self._window[0].started < oldest:
            self._window.pop(0)


def _merged(sketches: Iterable[LogCollapsingLowestDenseDDSketch]) -> LogCollapsingLowestDenseDDSketch:
    whole = LogCollapsingLowestDenseDDSketch(_RELATIVE_ERROR, _MAX_BINS)
    for sketch in sketches:
        whole.merge(sketch)
    return whole


def _within(sketch: LogCollapsingLowestDenseDDSketch, q: float, least: float, most: float) -> float:
    value = sketch.get_quantile_value(q)
    return least if value is None else min(max(float(value), least), most)
