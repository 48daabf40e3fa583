"""Calls that took longer than a threshold, and where their time went: the last some hundreds of them."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

#: Calls that are kept; the oldest goes first.
KEPT: Final = 256
#: Characters of a key that are kept.
KEY: Final = 64
# One line a second in the log: when the disk stalls every call is slow.
_LOG_SECONDS = 1.0

_log = logging.getLogger(__name__)


class SlowRequest(NamedTuple):
    """``at`` is when it came, seconds since 1970; ``key`` the beginning of its first key, empty for none.

    ``stages`` has each stage's seconds, in order; they add up to ``seconds``. ``error`` is its status when it
    failed.
    """

    at: float
    method: str
    key: str
    seconds: float
    stages: dict[str, float]
    request_id: str | None
    received: int
    error: str | None

    def text(self) -> str:
        """One line for a person."""
        parts = [f"{self.method} {self.key!r} took {_ms(self.seconds)}"]
        if self.stages:
            parts.append(", ".join(f"{name} {_ms(seconds)}" for name, seconds in self.stages.items()))
        if self.error:
            parts.append(self.error)
        return ": ".join(parts)


class SlowRequests:
    """``threshold`` is in seconds; 0 keeps none."""

    def __init__(self, threshold: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.threshold = threshold if threshold > 0 else math.inf
        #: All since start, those too that are forgotten.
        self.total = 0
        self._kept: deque[SlowRequest] = deque(maxlen=KEPT)
        self._clock = clock
        self._logged_at = -math.inf
        self._unlogged = 0

    @property
    def threshold_ms(self) -> float | None:
        """None where none are kept."""
        return None if math.isinf(self.threshold) else self.threshold * 1000

    def note(self, request: SlowRequest) -> None:
        """Keep ``request``, and tell of it in the log, not too often."""
        self.total += 1
        self._kept.append(request)
        now = self._clock()
        if now - self._logged_at < _LOG_SECONDS:
            self._unlogged += 1
            return
        more = f" ({self._unlogged} more since the last such line)" if self._unlogged else ""
        _log.warning("slow request: %s%s", request.text(), more)
        self._logged_at, self._unlogged = now, 0

    def newest_first(self) -> list[SlowRequest]:
        """What is kept."""
        return list(reversed(self._kept))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
