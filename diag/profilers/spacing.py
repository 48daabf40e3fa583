"""When a thread is looked at next, and for how much of its CPU time the stack found there stands.

A sampler whose handler waits for the end of a call into C must not charge all the time since its last look to
that call: what Python did before the call would count for it too, and a call of half the time would be shown
with three quarters. Here the time to the next look is drawn anew after every look, without memory: then each
tick of the kernel, at which alone a look can begin, has the same chance, whatever the program was doing at
the last one. What is charged is the mean time between looks, and in full the ticks that a late look slept
through, during which the thread cannot have left the call.
"""

import math
import random
from collections import defaultdict
from typing import Final

_BINS: Final = 40
_ENOUGH: Final = 8


class Spacing:
    """The looks at one thread, in seconds of a clock, its CPU clock mostly; ``now`` is what that shows.

    ``rate`` is in Hz, at most one a ``tick``; a tick of 0 is that of a clock which is exact. ``due`` is when
    the next look may begin.
    """

    def __init__(self, rate: float, tick: float, now: float) -> None:
        chance = min(1.0, rate * tick)
        # Of ticks that are taken with this chance, the gaps of an exponential law with this mean.
        self._mean = -tick / math.log1p(-chance) if 0 < chance < 1 else (1 - chance) / rate
        self._begin(now)

    def charge(self, now: float, late: float) -> float:
        """Seconds that a look at ``now`` stands for, ``late`` after the last tick; the next one is drawn."""
        at = max(self.due, now - late)
        charged = at - self._last - self._wait + self._mean
        self._begin(at)
        return charged

    def _begin(self, at: float) -> None:
        self._last = at
        self._wait = random.expovariate(1 / self._mean) if self._mean else 0.0
        self.due = at + self._wait


class TickPhase:
    """Where a processor's ticks lie, learned from the looks that began at one: most do."""

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._seen: defaultdict[int, list[int]] = defaultdict(lambda: [0] * _BINS)

    def late(self, processor: int, moment: float) -> float:
        """Seconds from that processor's last tick to ``moment`` of the monotonic clock; 0 where unknown."""
        seen = self._seen[processor]
        place = moment % self._tick / self._tick * _BINS
        seen[int(place) % _BINS] += 1
        most = max(seen)
        if most < _ENOUGH:
            return 0.0
        return (place - seen.index(most)) % _BINS / _BINS * self._tick
