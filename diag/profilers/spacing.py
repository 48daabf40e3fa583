"""When a thread is looked at next, and for how much of its CPU time the stack found there stands.

A sampler whose handler waits for the end of a call into C must not charge all the time since its last look to
that call: what Python did before the call would count for it too, and a call of half the time would be shown
with three quarters. Here the time to the next look is drawn anew after every look, without memory: then each
tick of the kernel, at which alone a look can begin, has the same chance, whatever the program was doing at
the last one. So every look stands for the same time, and one that came late for the ticks besides that it
slept through, during which the thread cannot have left the call.
"""

import math
import random
from collections import Counter, defaultdict
from typing import Final

#: Parts of a tick that are told apart, and after how many looks they are judged, and at each power of two.
_BINS: Final = 80
_LEARN: Final = 8
#: A look within this share of a tick was not held up.
_ON_TIME: Final = 2 / _BINS


class Spacing:
    """The looks at one thread, in seconds of its CPU clock; ``now`` is what that shows.

    ``rate`` is in Hz, at most one a ``tick``. ``due`` is when the next look may begin.
    """

    def __init__(self, rate: float, tick: float, now: float) -> None:
        self._tick = tick
        self._sleeps = 0
        self._each = max(1 / rate, tick)
        chance = min(1.0, rate * tick)
        # Of ticks that are taken with this chance, the gaps of an exponential law with this mean.
        self._mean = -tick / math.log1p(-chance) if chance < 1 else 0.0
        self._begin(now)

    def charge(self, now: float, late: float, sleeps: int) -> float:
        """Seconds that a look at ``now`` stands for, ``late`` after the last tick; the next one is drawn.

        ``sleeps`` is how often the thread has waited since the beginning. Between two of them it may have run
        for less than a tick without meeting one; what remains beyond that was slept through.
        """
        at = max(self.due, now - late)
        missed = 0
        if late > _ON_TIME * self._tick:
            # What is due at once is so at the next tick, a whole one later; what is due then, in part of one.
            whole = 1 if self._mean else 1.5
            missed = math.ceil((at - self.due) / self._tick - whole) - (sleeps - self._sleeps)
        self._sleeps = sleeps
        self._begin(at)
        return self._each + max(0, missed) * self._tick

    def _begin(self, at: float) -> None:
        self.due = at + (random.expovariate(1 / self._mean) if self._mean else 0.0)


class TickPhase:
    """Where a processor's ticks lie, learned from the looks that began at one: most do."""

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._seen: defaultdict[int, list[int]] = defaultdict(lambda: [0] * _BINS)
        self._looks: Counter[int] = Counter()
        self._first: dict[int, int] = {}

    def late(self, processor: int, moment: float) -> float:
        """Seconds from that processor's last tick to ``moment`` of the monotonic clock; 0 where unknown."""
        place = moment % self._tick / self._tick * _BINS
        seen = self._seen[processor]
        seen[int(place) % _BINS] += 1
        self._looks[processor] += 1
        looks = self._looks[processor]
        if looks >= _LEARN and not looks & (looks - 1):
            # Two bins that follow each other, as the looks may meet the line between them.
            self._first[processor] = max(range(_BINS), key=lambda at: seen[at] + seen[(at + 1) % _BINS])
        first = self._first.get(processor)
        return 0.0 if first is None else (place - first) % _BINS / _BINS * self._tick
