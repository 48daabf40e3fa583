"""An even sample of the delays of a short while, for quantiles of just that while."""

from collections.abc import Sequence
from typing import Final

#: Delays that are kept; 40 of them are beyond the 99th percentile.
MOST: Final = 4096


class Recent:
    """Takes every delay until there are many, then every second one, every fourth and so on."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._stride = 1

    def add(self, delays: Sequence[float]) -> None:
        """Seconds each. Costs a slice, whatever the number."""
        self._kept.extend(delays[:: self._stride])
        if len(self._kept) > MOST:
            del self._kept[::2]
            self._stride *= 2

    def take(self) -> list[float]:
        """What was kept since the last time, in ascending order."""
        kept, self._kept, self._stride = self._kept, [], 1
        kept.sort()
        return kept
