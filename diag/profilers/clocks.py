"""What says when a thread is looked at: the interface of the two clocks, and which one there is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Protocol

from diag.profilers.work import in_thread


class Watch(Protocol):
    """The looks at one thread. ``charge`` is called in the handler: it takes no lock."""

    def charge(self) -> float | None:
        """Seconds that a look at this moment stands for, 0 before it is due; None when the thread is gone."""

    def close(self) -> None:
        """There are no more."""


class Clock(Protocol):
    """Sends the main thread SIGPROF when a look is due.

    ``note`` says what that means for a profile, ``most`` how many looks there are in a CPU second and why.
    """

    @property
    def note(self) -> str: ...

    @property
    def most(self) -> tuple[int, str] | None: ...

    def watch(self, tid: int, rate: float) -> Watch:
        """Looks at a thread, by its kernel id, as dense as a profile of that rate in Hz needs. OSError."""

    def adapt(self, rate: float, cost: float) -> "Clock":
        """The clock for what the process does now, where a look takes so many seconds. Not in the handler."""


@asynccontextmanager
async def best_clock(*, dense: bool) -> AsyncIterator[Clock]:
    """The precise clock where the kernel gives it, else that of ticks; for use within the block.

    To be entered on the main thread's loop, which waits for the kernel no more than for anybody else.
    ``dense`` looks are worth it for a profile that somebody waits for.
    """
    # with ctypes, a thirtieth of a node's start
    from diag.profilers.perf_clock import PerfClock, refusal
    from diag.profilers.perfevent import Wake
    from diag.profilers.tick_clock import TickClock

    with closing(Wake()) as wake:
        clock: Clock
        try:
            await in_thread("profile-clock", lambda _stop: wake.open())
        except OSError as error:
            clock = TickClock(refusal(error))
        else:
            clock = PerfClock(dense=dense)
        yield clock
