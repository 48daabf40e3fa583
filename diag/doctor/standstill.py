"""Which function held the event loop: the stack of its thread, looked at from another while the loop is late.

A call that keeps the interpreter lock keeps the watch from looking too; it then sees the loop at the moment
the lock is handed over, which most often is still inside that call. Where the watch itself did not run and
the process used no processor either, all of it was stopped, and whatever function is seen then is innocent.
"""

import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from types import CodeType
from typing import Final, NamedTuple

from diag.metrics.lag import LoopLag
from diag.profilers.frames import FrameNames, RawStack, raw_stack

#: Seconds by which the loop is late, from which on its stack is looked at.
LATE: Final = 0.3
_EVERY: Final = 0.2
#: Of a time in which the watch did not run: processor seconds a second, below which the process was stopped.
_IDLE: Final = 0.1
_KEPT: Final = 32
_SHOWN: Final = 8


class Stood(NamedTuple):
    """The loop ran nothing for ``seconds`` until ``ended``, by the monotonic clock.

    ``stack`` is the innermost of the commonest look, the innermost first; empty where no look was possible.
    ``stopped``: not the loop alone but the whole process stood, most of the time.
    """

    ended: float
    seconds: float
    stack: tuple[str, ...]
    stopped: bool = False


class StandstillWatch:
    """Watches the loop of the thread that starts it; ``lag`` knows how late that is."""

    def __init__(self, lag: LoopLag, clock: Callable[[], float] = time.monotonic) -> None:
        self._lag = lag
        self._clock = clock
        self._found: deque[Stood] = deque(maxlen=_KEPT)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; call it on the loop's own thread."""
        watched = threading.get_ident()
        self._thread = threading.Thread(
            target=self._watch, args=(watched,), name="standstill watch", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it: a look takes well under a millisecond. Harmless when it did not start."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def worst(self, within: float) -> Stood | None:
        """The longest of those that ended in the last ``within`` seconds."""
        since = self._clock() - within
        recent = [one for one in tuple(self._found) if one.ended >= since]
        return max(recent, key=lambda one: one.seconds, default=None)

    def _watch(self, ident: int) -> None:
        looks, pauses = _Looks(), _Pauses()
        while not self._ending.wait(_EVERY):
            looks.stopped += pauses.since_last()
            late = self._lag.late_now()
            if late >= LATE:
                looks.add(late, raw_stack(sys._current_frames().get(ident)))
            elif looks.longest or looks.stopped:  # after a stop the loop may well run before the watch does
                self._found.append(looks.stood(self._clock()))
                looks = _Looks()


class _Pauses:
    """Tells the watch for how long it was not run though due, while the process used no processor."""

    def __init__(self) -> None:
        self._last = time.monotonic(), time.process_time()

    def since_last(self) -> float:
        """Seconds since the last call, or since the beginning; 0 where it was not so."""
        wall, cpu = (now - before for now, before in zip(self._now(), self._last, strict=True))
        self._last = self._now()
        return wall if wall - _EVERY >= LATE and cpu < _IDLE * wall else 0.0

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), time.process_time()


class _Looks:
    """Those of one standstill. Stacks are the same when their functions are, whatever the lines."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.stopped = 0.0
        self._counts: Counter[tuple[CodeType, ...]] = Counter()
        self._last: dict[tuple[CodeType, ...], RawStack] = {}

    def add(self, late: float, stack: RawStack) -> None:
        self.longest = max(self.longest, late)
        key = tuple(code for code, _ in stack)
        self._counts[key] += 1
        self._last[key] = stack

    def stood(self, ended: float) -> Stood:
        seconds = max(self.longest, self.stopped)
        return Stood(ended, seconds, self._commonest(), stopped=self.stopped > seconds / 2)

    def _commonest(self) -> tuple[str, ...]:
        names = FrameNames()
        for key, _ in self._counts.most_common(1):
            return tuple(names.of_code(code, line) for code, line in reversed(self._last[key][-_SHOWN:]))
        return ()
