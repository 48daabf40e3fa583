"""The whole gate on processes that are started for it: equal ones, and ones of which one is slowed down."""

import random
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from diag.perf.gate.arms import arms
from diag.perf.gate.hogs import hogs
from diag.perf.gate.sample import UNITS, measure
from diag.perf.gate.suite import AGAIN, BASE, HEAD, Costs, Suite
from diag.perf.gate.tally import Tally
from flamegraph.paired import Plan, Verdict

_BENCHMARK: Final = "put"
#: The most that one trial may take.
_SECONDS: Final = 300.0


def try_live(share: float, trials: int, beside: int, say: Callable[[str], None]) -> Tally:
    """Trials with head slowed down by ``share`` (0: not at all), ``beside`` so many hogs."""
    verdicts = []
    shares = {BASE: 0.0, HEAD: share, AGAIN: 0.0}
    lot = random.Random()
    with tempfile.TemporaryDirectory(prefix="perf-") as place, arms(Path(place), shares) as ready:
        stations = {station.label: station for station in ready.stations}

        def costs(labels: Sequence[str], wanted: Collection[str]) -> Sequence[Costs]:
            return measure(ready.runner, [stations[label] for label in labels], wanted, lot)

        with hogs(beside):
            for trial in range(trials):
                suite = Suite({_BENCHMARK: UNITS[_BENCHMARK]}, costs, plan=Plan(), seconds=_SECONDS)
                suite.run(lambda *_: None)
                if suite.interrupted:
                    raise KeyboardInterrupt
                (result,) = suite.results()
                verdicts.append(result.verdict)
                say(f"{trial + 1} of {trials} with {share:.0%} injected: {result.reason}")
    return Tally(verdicts.count(Verdict.FAIL), verdicts.count(Verdict.PASS), trials)
