"""Which function held the event loop: the stack of its thread, looked at from another while the loop is late.

A call that keeps the interpreter lock keeps the watch from looking too; it then sees the loop at the moment
the lock is handed over, which most often is still inside that call. Where the watch itself did not run and
the process used no processor either, all of it was stopped, and whatever function is seen then is innocent.

Native code that sleeps with the lock in its hand looks the same, but for this: a thread that waits for the
lock wakes at every switch interval to see whether it is free, which the system counts as switches of its own
accord. Of a process that is stopped, or gets no processor, no thread wakes.
"""

import resource
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from types import CodeType
from typing import Final, NamedTuple, Self

from diag.metrics.lag import LoopLag
from diag.profilers.frames import FrameNames, RawStack, raw_stack

#: Seconds by which the loop is late, from which on its stack is looked at.
LATE: Final = 0.3
_EVERY: Final = 0.2
#: Of a time in which the watch did not run: processor seconds a second, below which the process was stopped.
_IDLE: Final = 0.1
#: Wakings a second, beyond a few, from which on a thread waited for the interpreter lock: the switch interval
#: makes 200 and more of them, of which a busy machine leaves a part.
_WAKINGS: Final = 10.0
_FEW: Final = 5
_KEPT: Final = 32
_SHOWN: Final = 8


class Stood(NamedTuple):
    """The loop ran nothing for ``seconds`` until ``ended``, by the monotonic clock.

    ``stack`` is the innermost of the commonest look, the innermost first; empty where no look was possible.
    Most of the time, ``stopped``: not the loop alone but the whole process stood; ``locked``: native code
    kept the interpreter lock, whichever thread called it.
    """

    ended: float
    seconds: float
    stack: tuple[str, ...]
    stopped: bool = False
    locked: bool = False


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
            looks.add_pause(pauses.since_last())
            late = self._lag.late_now()
            if late >= LATE:
                looks.add(late, raw_stack(sys._current_frames().get(ident)))
            elif not looks.is_empty():  # after a pause the loop may well run before the watch does
                self._found.append(looks.stood(self._clock()))
                looks = _Looks()


class _Pause(NamedTuple):
    """Seconds in which the watch was not run though due, by why it was not."""

    stopped: float = 0.0
    locked: float = 0.0


class _Moment(NamedTuple):
    """Clocks of the process, and how often this thread has waited: for the disk's pages does not count."""

    wall: float
    cpu: float
    waits: int

    @classmethod
    def now(cls) -> Self:
        waits = 0
        if sys.platform == "linux":  # others do not count by thread
            usage = resource.getrusage(resource.RUSAGE_THREAD)
            waits = usage.ru_nvcsw - usage.ru_majflt
        return cls(time.monotonic(), time.process_time(), waits)


class _Pauses:
    """Tells the watch, on its own thread, of the time in which it was not run."""

    def __init__(self) -> None:
        self._last = _Moment.now()

    def since_last(self) -> _Pause:
        """Since the last call, or since the beginning."""
        last, now = self._last, _Moment.now()
        self._last = now
        wall = now.wall - last.wall
        overdue = wall - _EVERY
        if overdue < LATE:
            return _Pause()
        if now.waits - last.waits > _FEW + _WAKINGS * overdue:
            return _Pause(locked=wall)
        return _Pause(stopped=wall) if now.cpu - last.cpu < _IDLE * wall else _Pause()


class _Looks:
    """Those of one standstill. Stacks are the same when their functions are, whatever the lines."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._stopped = 0.0
        self._locked = 0.0
        self._counts: Counter[tuple[CodeType, ...]] = Counter()
        self._last: dict[tuple[CodeType, ...], RawStack] = {}

    def is_empty(self) -> bool:
        return not (self._longest or self._stopped or self._locked)

    def add(self, late: float, stack: RawStack) -> None:
        self._longest = max(self._longest, late)
        key = tuple(code for code, _ in stack)
        self._counts[key] += 1
        self._last[key] = stack

    def add_pause(self, pause: _Pause) -> None:
        self._stopped += pause.stopped
        self._locked += pause.locked

    def stood(self, ended: float) -> Stood:
        seconds = max(self._longest, self._stopped, self._locked)
        return Stood(
            ended,
            seconds,
            self._commonest(),
            stopped=self._stopped > seconds / 2,
            locked=self._locked > seconds / 2,
        )

    def _commonest(self) -> tuple[str, ...]:
        names = FrameNames()
        for key, _ in self._counts.most_common(1):
            return tuple(names.of_code(code, line) for code, line in reversed(self._last[key][-_SHOWN:]))
        return ()
