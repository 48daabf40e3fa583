"""The wall clock of one process, moved while it runs, by Debian's libfaketime and a file that it reads.

Only the wall clock jumps: deadlines and timers are of the monotonic clock, which no jump of a real machine's
clock moves either. It works for programs that ask the C library for the time, as Python does; Go programs,
and so etcd, ask the kernel and keep the true time.
"""

import os
from pathlib import Path

from diag.errors import Unavailable
from diag.processes.modules import import_path

_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
)

# Python sleeps until an absolute time of the monotonic clock, which libfaketime 0.9.10 refuses.
_SLEEP = """import select, time

def sleep(seconds):
    select.select([], [], [], seconds)

time.sleep = sleep
"""


class Clock:
    """A clock read from ``file``. ``environment`` is for the Python process that shall have it.

    A directory beside the file holds what mends its sleep. Raises Unavailable where libfaketime is missing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        mends = file.with_name(f"{file.name}.python")
        mends.mkdir(exist_ok=True)
        (mends / "sitecustomize.py").write_text(_SLEEP)
        library = _library()
        if library is None:
            raise Unavailable("libfaketime is not installed (Debian: apt install faketime).")
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            # Without a cache every look at the clock reads the file, and a node is several times slower.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join([str(mends), import_path()]),
        }
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Let the clock be so many seconds ahead of the true time, behind it when negative.

        The process follows within a second.
        """
        # Replaced as a whole: the process may read at any moment.
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.replace(self._file)


def refusal() -> str:
    """Why clocks cannot be moved here; empty when they can."""
    return "" if _library() else "libfaketime is not installed (Debian: apt install faketime)."


def _library() -> Path | None:
    root = Path("/")
    return next((path for pattern in _LIBRARIES for path in root.glob(pattern[1:])), None)
