"""A run from its sources to its report: build both sides, start them, measure, judge."""

import random
import tempfile
import time
from asyncio import Runner
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diag.perf import engine
from diag.perf.gate import inject
from diag.perf.gate.build import Build, Builder
from diag.perf.gate.cores import shared_out
from diag.perf.gate.machine import this_machine
from diag.perf.gate.result import Report, Result
from diag.perf.gate.sample import BOOT, UNITS, measure, new_runner, prepare
from diag.perf.gate.source import Repository
from diag.perf.gate.station import Station, fastest_disk
from diag.perf.gate.suite import AGAIN, BASE, HEAD, Costs, Crashed, Suite, Watcher
from diag.perf.gate.why import Explained, explain
from flamegraph.paired import Plan, Verdict

SQL: Final = "sql"
_CACHE: Final = Path(".cache/perf")


@dataclass(frozen=True)
class Options:
    """``base`` is a commit's name, or empty; ``wanted`` are of UNITS; ``seconds`` bound the measuring.

    ``out`` is where pictures go.
    """

    base: str
    wanted: Sequence[str]
    pairs: int
    seconds: float
    out: Path
    injected: str = ""


class Run:
    """One run. ``say`` is told what is being done, ``watch`` the results after each round."""

    def __init__(self, options: Options, say: Callable[[str], None], watch: Watcher) -> None:
        self._options = options
        self._say = say
        self._watch = watch
        self._left_out: list[Result] = []

    def check(self, directory: Path, python: Path) -> Report:
        """Compare the working tree around ``directory``; ``python`` has its requirements.

        Raises ConfigError for a base that cannot be found or built, Crashed for one that does not start.
        """
        began = time.monotonic()
        base, head = self._built(Repository(directory), python)
        units = {name: UNITS[name] for name in self._possible()}
        with ExitStack() as stack:
            runner = stack.enter_context(new_runner())
            stations = self._stations(base, head, stack)
            lot = random.Random()

            def measured(labels: Sequence[str], names: Collection[str]) -> list[Costs]:
                return measure(runner, [stations[label] for label in labels], names, lot)

            plan = plan_of(self._options.pairs)
            suite = Suite(units, measured, plan=plan, seconds=self._options.seconds)
            results, explained = self._measured(suite, runner, stations, lot)
        return Report(
            base.source,
            head.source,
            (*results, *self._left_out),
            time.monotonic() - began,
            suite.rounds,
            notes=(*(f"{each.name} is left out. {each.reason}" for each in self._left_out), *suite.notes),
            causes=explained.sentences,
            pictures=explained.pictures,
            interrupted=suite.interrupted,
            injected=self._options.injected,
            machine=this_machine(),
        )

    def _measured(
        self, suite: Suite, runner: Runner, stations: Mapping[str, Station], lot: random.Random
    ) -> tuple[list[Result], Explained]:
        self._say("starting both sides")
        try:
            for station in stations.values():
                prepare(runner, station, sql=SQL in suite.units)
        except Crashed as crash:
            if crash.label != HEAD or self._options.injected:
                raise
            return [_does_not_start(crash)], Explained()
        suite.run(self._watch)
        results = suite.results()
        if suite.interrupted:
            return results, Explained()
        sides = stations[BASE], stations[HEAD]
        try:
            return results, explain(runner, sides, results, self._options.out, lot, self._say)
        except KeyboardInterrupt:
            return results, Explained(("The search for the cause was interrupted.",))

    def _built(self, repository: Repository, python: Path) -> tuple[Build, Build]:
        head = repository.working_tree()
        base = repository.resolve(self._options.base) if self._options.base else repository.default_base(head)
        builder = Builder(repository, repository.root / _CACHE, python)
        self._say(f"building base: {base.describe()}")
        built = builder.build(base)
        self._say(f"building head: {head.describe()}")
        return built, builder.build(head)

    def _possible(self) -> list[str]:
        """The benchmarks wanted that can run here."""
        reason = engine.missing()
        if reason is not None and SQL in self._options.wanted:
            self._left_out.append(Result(SQL, UNITS[SQL], None, reason))
            return [name for name in self._options.wanted if name != SQL]
        return list(self._options.wanted)

    def _stations(self, base: Build, head: Build, stack: ExitStack) -> dict[str, Station]:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perf-", dir=fastest_disk())))
        for_server = stack.enter_context(shared_out())
        stations = {}
        for label, build, slowed in (
            (BASE, base, ""),
            (HEAD, head, self._options.injected),
            (AGAIN, base, ""),
        ):
            station = Station(
                label, build, place / label.replace(" ", "-"), for_server, inject.environment(slowed)
            )
            stack.callback(station.close)
            stations[label] = station
        return stations


def plan_of(pairs: int) -> Plan:
    """Looks at a quarter, at half and at all of the pairs."""
    return Plan(looks=tuple(sorted({max(1, pairs // 4), max(1, pairs // 2), pairs})))


def _does_not_start(crash: Crashed) -> Result:
    return Result(BOOT, UNITS[BOOT], Verdict.FAIL, "Head does not start, and base does.", output=crash.words)
