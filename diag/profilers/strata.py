"""When a thread is looked at next on a clock that is precise, and for how much CPU time that look stands.

The thread's CPU time is cut into strata, and in each one moment is drawn at which a look is due. No program
can keep step with such moments, every one of its instants is as likely as the next, and the looks are spread
more evenly than by chance alone. A handler that came late was held up by a call into C: every moment that is
past by then fell into that call, so the look there stands for the strata of them all.
"""

import random
from typing import Final

#: A clock that also counts what was stolen from the machine rings this share of a stratum early.
_EARLY: Final = 0.02


class Strata:
    """The looks at one thread, in seconds of its CPU clock; ``now`` is what that shows, ``each`` a stratum.

    ``due`` is when the next look is.
    """

    def __init__(self, each: float, now: float) -> None:
        self._begin(now, each)

    def charge(self, now: float, each: float) -> float:
        """Seconds that a look at ``now`` stands for, 0 before it is due; later strata last for ``each``."""
        if now < self.due - _EARLY * self._length:
            return 0.0
        charged, start = self._length, self._start + self._length
        if now > start:
            over = int((now - start) / each) * each
            charged, start = charged + over, start + over
        self._begin(start, each)
        if self.due <= now:
            charged += each
            self._begin(start + each, each)
        return charged

    def _begin(self, start: float, each: float) -> None:
        self._start, self._length = start, each
        self.due = start + random.random() * each  # noqa: S311 - no secret
