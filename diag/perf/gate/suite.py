"""Rounds until every benchmark is decided, the plan is at its end or the time is up; then the results."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from diag.errors import MetaError
from diag.perf.gate.result import Result
from flamegraph.paired import Pairs, Plan, Verdict, judge_suite, unfit

BASE: Final = "base"
HEAD: Final = "head"
#: Base a second time, from the first look to the second: where the two differ, the machine is unfit.
AGAIN: Final = "base again"

#: Cost by benchmark, of one arm in one round.
Costs = dict[str, float]
#: One round: what each of the arms named is charged for each benchmark named. Raises Crashed.
Measure = Callable[[Sequence[str], Collection[str]], Sequence[Costs]]
#: Told after every round: the results so far, the number of rounds, and seconds.
Watcher = Callable[[Sequence[Result], int, float], None]

_NOT_SANE: Final = (
    "Head seems to cost more; base has not been measured against itself often enough to say so."
)
_NOT_MEASURED: Final = "Nothing was measured before the end."


class Crashed(MetaError):
    """An arm's process, or its answer to a benchmark, failed."""

    def __init__(self, label: str, benchmark: str, words: str) -> None:
        super().__init__(f"{benchmark} failed on {label}: {words}")
        self.label, self.benchmark, self.words = label, benchmark, words


class Suite:
    """``units`` are the benchmarks and what their cost is for; ``seconds`` bound the measuring, but for a
    round that has begun."""

    def __init__(self, units: Mapping[str, str], measure: Measure, *, plan: Plan, seconds: float) -> None:
        self.units = units
        self._measure = measure
        self._plan = plan
        self._seconds = seconds
        self._open = list(units)
        self._rows: dict[str, list[tuple[float, float]]] = {name: [] for name in units}
        self._same: dict[str, list[tuple[float, float]]] = {name: [] for name in units}
        self._crashes: dict[str, Result] = {}
        self._forgiven: set[str] = set()
        self.rounds = 0
        self.notes: list[str] = []
        self.interrupted = False

    def run(self, watch: Watcher) -> None:
        """Measure. An interrupt ends it, and what was measured stays."""
        began = time.monotonic()
        longest = 0.0
        try:
            while self._open and self.rounds < self._plan.looks[-1]:
                started = time.monotonic()
                if started - began + longest > self._seconds:
                    return
                self._round()
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
                found.append(Result(name, self.units[name], Verdict.UNCLEAR, _NOT_MEASURED))
                continue
            judgement = judged[name]
            again = _pairs(self._same[name]) if self._same[name] else None
            obstacle = self._obstacle(judgement.verdict, again)
            if obstacle is not None:
                judgement = replace(judgement, verdict=Verdict.UNCLEAR, reason=obstacle)
            found.append(
                Result(
                    name, self.units[name], judgement.verdict, judgement.reason, pairs[name], again, judgement
                )
            )
        return found

    def _obstacle(self, verdict: Verdict, again: Pairs | None) -> str | None:
        """Why the verdict is not to be believed, or not yet; None when it is."""
        if verdict is Verdict.FAIL and not self._is_sane:
            return _NOT_SANE
        return unfit(again, self._plan) if again else None

    def _round(self) -> None:
        arms = [BASE, HEAD, AGAIN] if self._meets_itself else [BASE, HEAD]
        try:
            base, head, *same = self._measure(arms, self._open)
        except Crashed as crash:
            self._crashed(crash)
            return
        self.rounds += 1
        for name in self._open:
            self._rows[name].append((base[name], head[name]))
            if same:
                self._same[name].append((base[name], same[0][name]))

    @property
    def _meets_itself(self) -> bool:
        """Whether base is measured against itself: what passes at the first look needs none of it."""
        first, *later = self._plan.looks
        return self.rounds < first if not later else first <= self.rounds < later[0]

    @property
    def _is_sane(self) -> bool:
        """Whether base has met itself as often as it will."""
        return self.rounds >= self._plan.looks[min(1, len(self._plan.looks) - 1)]

    def _close_decided(self) -> None:
        final = (Verdict.PASS, Verdict.FAIL) if self._is_sane else (Verdict.PASS,)
        decided = {each.name for each in self.results() if each.verdict in final}
        self._open = [name for name in self._open if name not in decided]

    def _crashed(self, crash: Crashed) -> None:
        """Measured no more, if it fails once more; the other side is asked too, each of them alone."""
        failing, other = (HEAD, BASE) if crash.label == HEAD else (BASE, HEAD)
        if crash.benchmark not in self._forgiven and self._words(failing, crash.benchmark) is None:
            self._forgiven.add(crash.benchmark)
            self.notes.append(f"{crash} It did so once and not again; the round was left out.")
            return
        words = {failing: crash.words, other: self._words(other, crash.benchmark)}
        names = [crash.benchmark] if crash.benchmark in self._open else list(self._open)
        for name in names:
            self._crashes[name] = self._crash_result(name, crash.benchmark, words[BASE], words[HEAD])
        self._open = [name for name in self._open if name not in names]

    def _words(self, label: str, benchmark: str) -> str | None:
        """What the arm says against the benchmark; None when it does it."""
        try:
            self._measure([label], [benchmark])
        except Crashed as crash:
            return crash.words
        return None

    def _crash_result(self, name: str, benchmark: str, base: str | None, head: str | None) -> Result:
        verdict = Verdict.UNCLEAR
        if base is None:
            reason, verdict = f"Head fails at {benchmark}, and base does not.", Verdict.FAIL
        elif head is None:
            reason = f"Base fails at {benchmark}, and head does not: there is nothing to compare with."
        else:
            reason = f"Both sides fail at {benchmark}."
        return Result(name, self.units[name], verdict, reason, output=head or base or "")


def _pairs(rows: Sequence[tuple[float, float]]) -> Pairs:
    base, head = zip(*rows, strict=True)
    return Pairs(base, head)
