"""How far each engine's shares are from the truth, over workloads whose shares the kernel's clocks tell."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from diag.errors import Unavailable
from diag.perf.children import end, environment, tail
from diag.perf.figures import Figure
from diag.perf.truth_child import WORKLOADS

_SECONDS: Final = 10.0
#: More samples than py-spy takes unasked, so that it is not judged by its noise.
_FREQUENCY: Final = 250
#: By what it is called in the table: the request, and how many points it may be off. The first is what those
#: get who ask for nothing; ``clock`` is the one that remains where perf events are not permitted.
ENGINES: Final[Mapping[str, tuple[Mapping[str, object], float]]] = {
    "default": ({}, 2.0),
    "default, 99 Hz": ({"frequency": 99}, 2.0),
    "default, clock of ticks": ({"frequency": _FREQUENCY, "clock": "tick"}, 100.0),
    "engine=py-spy": ({"engine": "py-spy", "frequency": _FREQUENCY}, 100.0),
    "engine=py-spy mode=gil": ({"engine": "py-spy", "mode": "gil", "frequency": _FREQUENCY}, 100.0),
}


def measure(directory: Path, *, seconds: float = _SECONDS) -> list[Figure]:
    """The largest deviation of a share, in points, of every engine over every workload.

    Shares are of the whole profile on one side and of the whole process's CPU time on the other, so that what
    an engine adds of its own, or misses, counts too.
    """
    figures = []
    for workload in WORKLOADS:
        for engine, told in _profiles(directory, workload, seconds).items():
            truth, seen = shares(told)
            worst = max((abs(seen[name] - truth[name]), name) for name in truth)
            detail = ", ".join(f"{name} {seen[name]:.1f} for {truth[name]:.1f}" for name in truth)
            target = ENGINES[engine][1]
            detail += f"; noise of as many looks by chance {50 / max(1, told['looks']) ** 0.5:.1f}"
            lost = f"; {told['errors']} samples lost" if told["errors"] else ""
            name = f"{workload}: {engine}" + (f" ({told['engine']})" if engine == "default" else "")
            figures.append(Figure(name, worst[0], "<=", target, "points", detail + lost))
    return figures


def shares(told: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """Percentages by function: what was spent of the process's CPU time, and what the stacks say."""
    weights: Counter[str] = Counter()
    whole = 0
    for line in told["folded"].splitlines():
        stack, _, count = line.rpartition(" ")
        whole += int(count)
        for name in told["spent"]:
            if f";{name} (" in stack:
                weights[name] += int(count)
    truth = {name: 100 * seconds / told["cpu"] for name, seconds in told["spent"].items()}
    return truth, {name: 100 * weights[name] / max(1, whole) for name in truth}


def _profiles(directory: Path, workload: str, seconds: float) -> dict[str, dict[str, Any]]:
    errors = directory / "truth.stderr"
    with errors.open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "diag.perf.truth_child", workload],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    assert child.stdin is not None
    assert child.stdout is not None
    found = {}
    try:
        for engine, (request, _) in ENGINES.items():
            child.stdin.write(json.dumps({"seconds": seconds, **request}) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
            if not line:
                raise Unavailable(f"The workload ended. Its last words: {tail(errors)}")
            found[engine] = json.loads(line)
    finally:
        child.stdin.close()
        end(child, grace=2)
        child.stdout.close()
    return found
