"""Work for the processors: to see how a measurement bears it, and to keep an idle core from sleeping."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from diag.processes.leash import leashed

_HOG = """
import os, sys
core = sys.argv[1]
if core:
    os.sched_setaffinity(0, {int(core)})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while True:
    sum(range(100_000))
"""


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """So many processes that compute all the time, until the end of the block."""
    with _hogs([""] * count):
        yield


@contextmanager
def awake() -> Iterator[None]:
    """Every core has something to do until the end of the block, which gives way to all else at once.

    A core that sleeps between two requests wakes up for a price that depends on the machine around it: costs
    of the same code varied three times as much on a machine without other work as beside two hogs.
    """
    with _hogs([str(core) for core in sorted(os.sched_getaffinity(0))]):
        yield


@contextmanager
def _hogs(cores: list[str]) -> Iterator[None]:
    """One for each; a core's name keeps it there, at the lowest priority there is."""
    with ExitStack() as stack:
        for core in cores:
            process = subprocess.Popen(leashed([sys.executable, "-S", "-c", _HOG, core]))
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield
