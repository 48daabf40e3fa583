"""For how long a profile's start and end stop the event loop, and how soon a large capture is a picture."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from diag.errors import Unavailable
from diag.perf.children import end, environment, tail
from diag.perf.figures import Figure

_SECONDS: Final = 0.6
_ALLOCATIONS: Final = 200_000
#: By what it is called in the table; the first is what the machine alone does.
KINDS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "nothing (the machine's own noise)": ("nothing", {}),
    "CPU": ("cpu", {}),
    "CPU, engine=py-spy": ("cpu", {"engine": "py-spy"}),
    "mode=gil": ("cpu", {"mode": "gil"}),
    "mode=wall": ("cpu", {"mode": "wall"}),
    "memory, peak": ("heap", {"mode": "peak"}),
    "memory, temporary": ("heap", {"mode": "temporary"}),
    "trace": ("trace", {}),
}
_PICTURES: Final = {"every allocation": "allocations", "peak": "peak"}


class _Child:
    """The process that profiles itself."""

    def __init__(self, directory: Path) -> None:
        self._errors = directory / "stop.stderr"

    def __enter__(self) -> "_Child":
        with self._errors.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "diag.perf.stop_child"],
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process, grace=2)

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable(f"The process ended. Its last words: {tail(self._errors)}")
        told: dict[str, Any] = json.loads(line)
        return told


def measure(directory: Path, *, rounds: int = 5, allocations: int = _ALLOCATIONS) -> list[Figure]:
    """The median of some rounds, of the worse of start and end; and of captures, to the SVG's last byte."""
    with _Child(directory) as child:
        figures = [_stop(child, name, rounds) for name in KINDS]
        for name, mode in _PICTURES.items():
            figures += _picture(child, name, mode, allocations)
    return figures


def _stop(child: _Child, name: str, rounds: int) -> Figure:
    kind, request = KINDS[name]
    told = [child.ask({"kind": kind, "request": {**request, "seconds": _SECONDS}}) for _ in range(rounds)]
    worst = [1e3 * max(one["start"], one["end"]) for one in told]
    detail = f"start {1e3 * median(one['start'] for one in told):.1f}, end "
    detail += f"{1e3 * median(one['end'] for one in told):.1f}; median of {rounds}, worst {max(worst):.1f}"
    target = 20.0 if kind != "nothing" else 1e6
    return Figure(f"stop of the loop: {name}", median(worst), "<=", target, "ms", detail)


def _picture(child: _Child, name: str, mode: str, allocations: int) -> list[Figure]:
    told = [child.ask({"kind": "picture", "allocations": allocations, "mode": mode}) for _ in range(3)]
    took, lag = median(one["took"] for one in told), 1e3 * median(one["lag"] for one in told)
    detail = f"median of {len(told)}, {told[0]['records']:,} records, {told[0]['bytes'] / 1e3:,.0f} kB"
    what = f"{allocations:,} allocations to SVG, {name}"
    return [Figure(what, took, "<=", 1.0, "s", detail), Figure(f"{what}: loop lag", lag, "<=", 10, "ms")]
