"""Other work for the processors, to see how a measurement bears it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# Each ends with the process that started it, which may be killed.
_HOG = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
while os.getppid() == int(sys.argv[1]):
    sum(range(100_000))
"""


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """So many processes that compute all the time, until the end of the block."""
    with ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-S", "-c", _HOG, str(os.getpid())])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield
