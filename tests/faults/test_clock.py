"""The clock of one process jumps, and nobody else's."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diag.faults.clock import Clock, refusal
from tests.polling import until

pytestmark = pytest.mark.skipif(bool(refusal()), reason=refusal() or "clocks can be moved")

_TELL = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"


def test_it_jumps_while_the_process_runs_and_deadlines_do_not(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    with subprocess.Popen(
        [sys.executable, "-c", _TELL],
        env=os.environ | clock.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        asks, answers = process.stdin, process.stdout

        def ahead() -> tuple[float, float]:
            asks.write("\n")
            asks.flush()
            wall, monotonic = map(float, answers.readline().split())
            return wall - time.time(), monotonic - time.monotonic()

        for jump in (0, 3600, -3600, 0):
            clock.jump(jump)
            until(lambda jump=jump: abs(ahead()[0] - jump) < 30)  # type: ignore[misc]
            assert abs(ahead()[1]) < 30
        asks.close()


def test_sleeping_goes_on(tmp_path: Path) -> None:
    """libfaketime refuses the absolute times that Python sleeps until."""
    clock = Clock(tmp_path / "clock")
    code = "import time; before = time.monotonic(); time.sleep(0.1); print(time.monotonic() - before)"
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | clock.environment, capture_output=True, text=True
    )
    assert told.stderr == ""
    assert float(told.stdout) >= 0.1
