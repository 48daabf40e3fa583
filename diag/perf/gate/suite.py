"""Rounds until every benchmark is decided, the plan is at its end or the time is up; then the results."""

import random
import time
from asyncio import Runner
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from diag.perf.gate.result import Result
from diag.perf.gate.sample import UNITS, measure
from diag.perf.gate.station import Crashed, Station
from flamegraph.paired import Pairs, Plan, Verdict, judge_suite, unfit

#: Told after every round: the results so far, the number of rounds, and seconds.
Watcher = Callable[[Sequence[Result], int, float], None]

_NOT_MEASURED: Final = "Nothing was measured before the end."


class Suite:
    """The stations are base, head, and base again: where these two bases differ, the machine is unfit.

    ``wanted`` are of UNITS; ``seconds`` bound the measuring, but for a round that has begun.
    """

    def __init__(
        self,
        stations: tuple[Station, Station, Station],
        wanted: Sequence[str],
        *,
        plan: Plan,
        seconds: float,
        lot: random.Random,
    ) -> None:
        self._base, self._head, self._again = stations
        self._plan = plan
        self._seconds = seconds
        self._lot = lot
        self._open = list(wanted)
        self._rows: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted}
        self._same: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted}
        self._crashes: dict[str, Result] = {}
        self._forgiven: set[str] = set()
        self.rounds = 0
        self.notes: list[str] = []
        self.interrupted = False

    def run(self, runner: Runner, watch: Watcher) -> None:
        """Measure. An interrupt ends it, and what was measured stays."""
        began = time.monotonic()
        longest = 0.0
        try:
            while self._open and self.rounds < self._plan.looks[-1]:
                started = time.monotonic()
                if started - began + longest > self._seconds:
                    return
                self._round(runner)
                longest = max(longest, time.monotonic() - started)
                if self.rounds in self._plan.looks:
                    self._close_decided()
                watch(self.results(), self.rounds, time.monotonic() - began)
        except KeyboardInterrupt:
            self.interrupted = True

    def results(self) -> list[Result]:
        """One for each benchmark wanted, by all pairs measured so far."""
        pairs = {
            name: _pairs(rows) for name, rows in self._rows.items() if rows and name not in self._crashes
        }
        judged = judge_suite(pairs, plan=self._plan)
        found = []
        for name in self._rows:
            if name in self._crashes:
                found.append(self._crashes[name])
                continue
            if name not in judged:
                found.append(Result(name, UNITS[name], Verdict.UNCLEAR, _NOT_MEASURED))
                continue
            judgement = judged[name]
            again = _pairs(self._same[name]) if self._same[name] else None
            obstacle = unfit(again, self._plan) if again else None
            if obstacle is not None:
                judgement = replace(judgement, verdict=Verdict.UNCLEAR, reason=obstacle)
            found.append(
                Result(name, UNITS[name], judgement.verdict, judgement.reason, pairs[name], again, judgement)
            )
        return found

    def _round(self, runner: Runner) -> None:
        # The second look is the first at which so few pairs can tell that base differs from itself.
        sane = self.rounds < self._plan.looks[min(1, len(self._plan.looks) - 1)]
        arms = [self._base, self._head, *([self._again] if sane else [])]
        try:
            base, head, *same = measure(runner, arms, self._open, self._lot)
        except Crashed as crash:
            self._crashed(runner, crash)
            return
        self.rounds += 1
        for name in self._open:
            self._rows[name].append((base[name], head[name]))
            if same:
                self._same[name].append((base[name], same[0][name]))

    def _close_decided(self) -> None:
        decided = {each.name for each in self.results() if each.verdict in (Verdict.PASS, Verdict.FAIL)}
        self._open = [name for name in self._open if name not in decided]

    def _crashed(self, runner: Runner, crash: Crashed) -> None:
        """Measured no more, if it fails once more; the other side is asked too, each of them alone."""
        failing, other = self._base, self._head
        if crash.label == self._head.label:
            failing, other = other, failing
        if crash.workload not in self._forgiven and self._words(runner, failing, crash.workload) is None:
            self._forgiven.add(crash.workload)
            self.notes.append(f"{crash} It did so once and not again; the round was left out.")
            return
        both = self._words(runner, other, crash.workload)
        head = crash.words if crash.label == self._head.label else both
        base = crash.words if crash.label != self._head.label else both
        names = [crash.workload] if crash.workload in self._open else list(self._open)
        for name in names:
            self._crashes[name] = _crash_result(name, crash.workload, base, head)
        self._open = [name for name in self._open if name not in names]

    def _words(self, runner: Runner, station: Station, workload: str) -> str | None:
        """What the station says against the workload; None when it does it."""
        try:
            measure(runner, [station], [workload], self._lot)
        except Crashed as crash:
            return crash.words
        return None


def _crash_result(name: str, workload: str, base: str | None, head: str | None) -> Result:
    if head is not None and base is None:
        reason, verdict = f"Head fails at {workload}, and base does not.", Verdict.FAIL
    elif base is not None and head is None:
        reason = f"Base fails at {workload}, and head does not: there is nothing to compare with."
        verdict = Verdict.UNCLEAR
    else:
        reason, verdict = f"Both sides fail at {workload}.", Verdict.UNCLEAR
    return Result(name, UNITS[name], verdict, reason, output=head or base or "")


def _pairs(rows: Sequence[tuple[float, float]]) -> Pairs:
    base, head = zip(*rows, strict=True)
    return Pairs(base, head)
