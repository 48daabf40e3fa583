"""Whose the processors are while it is measured, on a machine where others work too."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from diag.perf.gate.hogs import awake

#: So much less nice than others: these have a tenth of a core where both want one whole.
_LESS_NICE: Final = 10


@contextmanager
def shared_out() -> Iterator[int | None]:
    """Gives the core where servers are to run, None for any; the calling process, which makes the load, keeps
    to another one until the end of the block. Where there is one core only, all are on it.

    Whoever is started meanwhile is served before what else runs on the machine, where the system permits
    that. Beside two hogs a process that is as nice as they are waits two thirds of the time, which costs no
    CPU but makes a pair take three times as long; and where it is thrown off its core, others fill the cache.
    """
    free = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        stack.enter_context(awake())
        _serve_first(stack)
        if len(free) == 1:
            yield None
            return
        stack.callback(os.sched_setaffinity, 0, free)
        os.sched_setaffinity(0, {free[-1]})
        yield free[0]


def _serve_first(stack: ExitStack) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before - _LESS_NICE)
        stack.callback(os.setpriority, os.PRIO_PROCESS, 0, before)
