"""How often a profile samples: as it was asked to, or as often as the process can bear.

One rule for every engine. A sample stops the process, or its main thread, for a time that grows with the
number of its threads (measured, in ``_COST``); all samples together may stop it for a share of the time.
Where nobody asks for a rate, that share is small enough not to be noticed; who asks for one may spend more.
"""

from dataclasses import dataclass
from typing import Final

#: What is taken where it costs next to nothing, in Hz; not a divisor of the beats that programs have.
USUAL: Final = 99
#: Shares of the time for which the process may stand still: unasked, and when a rate was asked for.
_UNASKED: Final = 0.02
_ASKED: Final = 0.10
#: Seconds of a sample by engine and mode: once, and for each thread.
_COST: Final = {
    ("py-spy", "cpu"): (0.0, 0.05e-3),
    ("py-spy", "gil"): (0.0, 0.05e-3),
    ("py-spy", "wall"): (0.0, 0.15e-3),
    ("inprocess", "cpu"): (0.1e-3, 0.0),
    ("inprocess", "wall"): (0.1e-3, 0.02e-3),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """``hertz`` to sample at, and sentences where that is not simply what was asked for."""

    hertz: int
    notes: tuple[str, ...] = ()


def settled(
    asked: int | None,
    engine: str,
    mode: str,
    threads: int,
    *,
    least: int = 1,
    most: tuple[int, str] | None = None,
) -> Rate:
    """The rate in Hz for a process of so many threads.

    ``least`` and ``most`` are what the engine can do, the latter with the reason why.
    """
    once, each = _COST[engine, mode]
    share = _UNASKED if asked is None else _ASKED
    bearable = max(1, int(share / (once + each * max(1, threads))))
    why = f"with {_counted(threads)} a sample stops the process longer"
    if most is not None and most[0] < bearable:
        bearable, why = most
    wanted = USUAL if asked is None else asked
    hertz = max(1, min(max(wanted, least), bearable))
    if asked is None:
        return Rate(hertz, (f"The rate of {hertz} Hz was chosen for {_counted(threads)}.",))
    if hertz > asked:
        return Rate(hertz, (f"The rate was raised from {asked} to {hertz} Hz, the least of {engine} here.",))
    if hertz < asked:
        return Rate(hertz, (f"The rate was lowered from {asked} to {hertz} Hz: {why}.",))
    return Rate(hertz)


def _counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"
