"""How many calls a second a service has answered of late, told from a counter that is there anyway."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: Seconds that are looked back on, and how many readings are kept for it.
_WINDOW: Final = 5.0
_MOST: Final = 64


class Pace:
    """``count`` gives the calls answered so far; ``note`` is called some times a second."""

    def __init__(self, count: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._readings: deque[tuple[float, int]] = deque(maxlen=_MOST)

    def note(self) -> None:
        """Remember the counter as it is now."""
        self._readings.append((self._clock(), self._count()))

    def per_second(self) -> float | None:
        """Over the last five seconds, or less after a start; None when nothing was noted before now."""
        now = self._clock()
        then = next((one for one in self._readings if one[0] >= now - _WINDOW), None)
        if then is None or now <= then[0]:
            return None
        return (self._count() - then[1]) / (now - then[0])
