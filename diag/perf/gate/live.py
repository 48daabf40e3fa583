"""The whole gate on processes that are started for it: equal ones, and ones of which one is slowed down."""

import random
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from diag.perf.figures import Figure
from diag.perf.gate import profiled
from diag.perf.gate.arms import FUNCTION, Arms, arms
from diag.perf.gate.cause import Cause
from diag.perf.gate.hogs import hogs
from diag.perf.gate.result import Result
from diag.perf.gate.sample import UNITS, measure
from diag.perf.gate.station import fastest_disk
from diag.perf.gate.suite import AGAIN, BASE, HEAD, Costs, Suite
from diag.perf.gate.tally import Tally, at_most
from flamegraph.paired import Plan, Verdict

_BENCHMARK: Final = "put"
#: The most that the measuring of one trial may take.
_SECONDS: Final = 300.0
#: Profiles of each side after a failure: fewer and shorter ones than the gate takes.
_SLICES: Final = 6
_SLICE_SECONDS: Final = 0.8


class Live(NamedTuple):
    """What became of trials, and how many of those that failed named the slowed function first."""

    tally: Tally
    named: int

    def named_figure(self, name: str, target: float) -> Figure:
        """The share of failures that name it, beside its target."""
        caught = self.tally.failed
        sure = 1 - at_most(caught - self.named, caught) if caught else 0.0
        told = f"{self.named} of {caught} that fail; 95 % sure: at least {sure:.1%}"
        return Figure(name, self.named / caught if caught else 0.0, ">=", target, "", told)


def try_live(share: float, trials: int, beside: int, say: Callable[[str], None]) -> Live:
    """Trials with head slowed down by ``share`` (0: not at all), ``beside`` so many hogs."""
    verdicts: list[Verdict | None] = []
    named = 0
    shares = {BASE: 0.0, HEAD: share, AGAIN: 0.0}
    with (
        tempfile.TemporaryDirectory(prefix="perf-", dir=fastest_disk()) as place,
        hogs(beside),  # first, for what is started later is served first
        arms(Path(place), shares) as ready,
    ):
        for trial in range(trials):
            began = time.monotonic()
            result = _trial(ready)
            told = f"{result.verdict}. {result.reason}"
            if result.verdict is Verdict.FAIL:
                first = _first_named(ready)
                named += _is_slowed(first)
                told += f" Named first: {first or 'nothing'}."
            verdicts.append(result.verdict)
            took = time.monotonic() - began
            say(f"{trial + 1} of {trials} with {share:.0%} injected, {took:.0f} s: {told}")
    return Live(Tally(verdicts.count(Verdict.FAIL), verdicts.count(Verdict.PASS), trials), named)


def _trial(ready: Arms) -> Result:
    stations = {station.label: station for station in ready.stations}
    lot = random.Random()

    def costs(labels: Sequence[str], wanted: Collection[str]) -> Sequence[Costs]:
        return measure(ready.runner, [stations[label] for label in labels], wanted, lot)

    suite = Suite({_BENCHMARK: UNITS[_BENCHMARK]}, costs, plan=Plan(), seconds=_SECONDS)
    suite.run(lambda *_: None)
    if suite.interrupted:
        raise KeyboardInterrupt
    (result,) = suite.results()
    return result


def _first_named(ready: Arms) -> str:
    """The function that surely grew, and by most; empty when none did."""
    sides = [station for station in ready.stations if station.label != AGAIN]
    taken = profiled.workload(ready.runner, sides, _BENCHMARK, _SLICES, _SLICE_SECONDS, random.Random())
    growths = Cause(*taken).growths()
    return growths[0].name if growths and growths[0].sure else ""


def _is_slowed(name: str) -> bool:
    """Whether this frame, ``function (path)``, is the function that is slowed down."""
    module, _, function = FUNCTION.rpartition(".")
    return name.startswith(f"{function} (") and name.endswith(f"{module.replace('.', '/')}.py)")
