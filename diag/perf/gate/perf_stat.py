"""Instructions of kernels, counted by the processor itself through ``perf stat``, where it lets us.

A program runs as fast as ever under it; most virtual machines have no counters. A kernel is a process of its
own, and perf counts from its first mark to its second: the process says when, through two named pipes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from diag.perf.gate.callgrind import environment
from diag.perf.gate.counts_child import CONTROL

INSTRUCTIONS: Final = "instructions:u"

_CHILD: Final = Path(__file__).with_name("counts_child.py")
_LAST_WORDS: Final = 1_000


def works(event: str = INSTRUCTIONS) -> bool:
    """Whether perf counts this here: it is asked to, for a program that does nothing."""
    if shutil.which("perf") is None:
        return False
    done = subprocess.run(
        ["perf", "stat", "-x,", "-e", event, "--", "true"], capture_output=True, check=False
    )
    return not done.returncode and _count(done.stderr.decode(errors="replace")) is not None


class Counting:
    """As `callgrind.Counting`; ``event`` is what perf counts."""

    def __init__(
        self, kernels: Sequence[str], layout: int, site: Path, place: Path, event: str = INSTRUCTIONS
    ) -> None:
        self._kernels = kernels
        self._place = place
        self._control = place / "control", place / "acknowledged"
        for pipe in self._control:
            os.mkfifo(pipe)
        names = ",".join(str(pipe) for pipe in self._control)
        self._environment: Mapping[str, str] = environment(site, place) | {CONTROL: names}
        # All is set to count when the process starts, and nothing is counted before it says so.
        self._command = [
            *("perf", "stat", "-x,", "-e", event, "-o", str(place / "counted"), "-D", "-1"),
            *("--control", f"fifo:{names}", "--", sys.executable, "-P", str(_CHILD), "0", str(layout)),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to end: a process runs inside a call."""

    def counted(self) -> list[int | str]:
        """Of each kernel the instructions between its marks, or the words with which it failed."""
        return [self._one(kernel) for kernel in self._kernels]

    def _one(self, kernel: str) -> int | str:
        done = subprocess.run(
            [*self._command, kernel],
            env=self._environment,
            cwd=self._place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout.strip()
        if said != "ok":
            return said or done.stderr.strip()[-_LAST_WORDS:] or f"it ended with {done.returncode}"
        count = _count((self._place / "counted").read_text(errors="replace"))
        return "its count is not there" if count is None else count


def _count(text: str) -> int | None:
    """The number in the first field of perf's line; there are words where nothing was counted."""
    for line in text.splitlines():
        first = line.partition(",")[0]
        if first.isdecimal():
            return int(first)
    return None
