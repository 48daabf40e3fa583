"""Two commands measured side by side: whole runs in turns, their CPU time and their peak memory."""

import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from diag.perf.gate.sample import shuffled
from diag.perf.gate.suite import AGAIN, BASE, HEAD, Costs, Crashed

CPU: Final = "CPU time"
MEMORY: Final = "peak memory"
UNITS: Final[Mapping[str, str]] = {CPU: "run", MEMORY: "bytes"}
_RUN: Final = "the run"
_LAUNCH: Final = Path(__file__).with_name("launch.py")
_TAIL: Final = 2_000
#: A run too short for the kernel's clock has no cost of 0.
_LEAST_SECONDS: Final = 1e-6


class Commands:
    """Measures for a Suite: each arm runs its command once a round. What they write is kept for a failure."""

    def __init__(self, base: Sequence[str], head: Sequence[str], lot: random.Random) -> None:
        self._arms = {BASE: list(base), HEAD: list(head), AGAIN: list(base)}
        self._lot = lot

    def measure(self, labels: Sequence[str], names: Collection[str]) -> list[Costs]:
        """Raises Crashed for a command that cannot be started or does not end with 0."""
        found = {label: self._run(label) for label in shuffled(labels, self._lot)}
        return [{name: cost for name, cost in found[label].items() if name in names} for label in labels]

    def _run(self, label: str) -> Costs:
        command = self._arms[label]
        with tempfile.TemporaryFile() as output:
            told = _launch(command, output.fileno())
            words = told.split()
            if len(words) == 3 and words[0] == "0":
                return {CPU: max(_LEAST_SECONDS, float(words[1])), MEMORY: float(words[2])}
            output.seek(0)
            said = output.read()[-_TAIL:].decode("utf-8", "replace").strip()
        if words[:1] == ["error"]:
            raise Crashed(label, _RUN, f"{shlex.join(command)} cannot be started: {' '.join(words[1:])}.")
        status = words[0] if words else "nothing"
        last = f". It said: {said}" if said else " and said nothing."
        raise Crashed(label, _RUN, f"{shlex.join(command)} ended with {status}{last}")


def _launch(command: Sequence[str], output: int) -> str:
    """What the launcher tells of the run; all that was started is gone afterwards."""
    read, write = os.pipe()
    with os.fdopen(read) as told:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCH), str(write), *command],
                stdin=subprocess.PIPE,  # ends with this process, however that ends
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                process_group=0,
            )
        finally:
            os.close(write)
        try:
            return told.read()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
