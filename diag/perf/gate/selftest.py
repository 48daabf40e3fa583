"""``make perf-selftest``: how often the gate alarms without cause, and how often it sees one.

Offline, the verdicts are tried on costs that were recorded on a quiet machine and beside two processes that
compute: a trial draws rounds out of a recording. ``--live`` tries the whole gate: processes are started, and
one of them is slowed down. ``--counts`` tries the counts of instructions.
"""

import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from diag.errors import MetaError
from diag.perf.figures import Figure, table
from diag.perf.gate.counts_child import KERNELS
from diag.perf.gate.live import try_live
from diag.perf.gate.recording import AGAIN, SLOWED, Recording, drawn, read, scaled
from diag.perf.gate.result import INTERRUPTED
from diag.perf.gate.sweep import sweep
from diag.perf.gate.tally import Tally
from flamegraph.paired import Judgement, Pairs, Plan, Verdict, effect, judge

RECORDED: Final = Path(__file__).with_name("recorded")
#: The most false alarms, as a share of trials; the least that must be found, by the growth injected.
ALARMS: Final = 0.01
FOUND: Final = {0.05: 0.90, 0.10: 0.99}
#: Of what is found live, the least share whose cause is named first.
NAMED: Final = 0.95
#: How far the growth that was injected may lie outside the interval of what is measured of it.
CALIBRATION: Final = 0.015

_TRIALS: Final = 300
_LIVE_TRIALS: Final = 30
_HOGS: Final = 2
#: Pairs of base against itself in a trial, as many as the gate measures between the first two looks.
_AGAIN_PAIRS: Final = Plan().looks[1] - Plan().looks[0]
_SEED: Final = 20
_FILE_WIDTH: Final = 170
_CANNOT_RUN: Final = 2

#: Pairs to be judged, and those of base against itself.
Draw = Callable[[random.Random], tuple[Pairs, Pairs]]


def decide(pairs: Pairs, again: Pairs, plan: Plan) -> Judgement:
    """The judgement as the gate comes to it: at the first look that decides, or else at the last.

    At the first of all it may only pass: base has not met itself yet.
    """
    for look in plan.looks:
        first = look == plan.looks[0]
        judged = judge(pairs.first(look), None if first else again.first(_AGAIN_PAIRS), plan)
        final = (Verdict.PASS,) if first else (Verdict.PASS, Verdict.FAIL)
        if judged.verdict in final:
            break
    return judged


def figures(name: str, recording: Recording, trials: int) -> Iterator[Figure]:
    """Of every benchmark of a recording: alarms, how true the injection was, and what is found of it."""
    for benchmark in recording.benchmarks:
        same = recording.pairs(benchmark, AGAIN)
        yield _off(f"{benchmark}, {name}: same code", same, 0.0)
        yield _tally(_equal(same), trials).figure(f"{benchmark}, {name}: same code fails", "<=", ALARMS)
        for arm, growth in SLOWED.items():
            slowed = recording.pairs(benchmark, arm)
            yield _off(f"{benchmark}, {name}: {growth:.0%} injected", slowed, growth)
            # Judged as what it says: an injection that took more than it should would flatter.
            exact = scaled(slowed, (1 + growth) / effect(slowed).ratio)
            found = _tally(_with(exact, same), trials)
            yield found.figure(f"{benchmark}, {name}: {growth:.0%} slower fails", ">=", FOUND[growth])


def _off(name: str, pairs: Pairs, growth: float) -> Figure:
    """How far the growth is outside the interval of what was measured."""
    seen = effect(pairs)
    off = max(seen.low - 1 - growth, growth - (seen.high - 1), 0.0)
    told = f"{seen.ratio - 1:+.1%} ({seen.low - 1:+.1%} to {seen.high - 1:+.1%}, {len(pairs)} pairs)"
    return Figure(f"{name}, surely off by", off, "<=", CALIBRATION, "", told)


def _tally(draw: Draw, trials: int) -> Tally:
    lot, plan = random.Random(_SEED), Plan()
    verdicts = [decide(*draw(lot), plan).verdict for _ in range(trials)]
    return Tally(verdicts.count(Verdict.FAIL), verdicts.count(Verdict.PASS), trials)


def _equal(same: Pairs) -> Draw:
    """Base against itself; which is called head is drawn for each pair, as nothing tells them apart."""

    def draw(lot: random.Random) -> tuple[Pairs, Pairs]:
        pairs = drawn(same, Plan().looks[-1], lot)
        sides = [pair[:: lot.choice((1, -1))] for pair in zip(pairs.base, pairs.head, strict=True)]
        base, head = zip(*sides, strict=True)
        return Pairs(base, head), drawn(same, _AGAIN_PAIRS, lot)

    return draw


def _with(slowed: Pairs, same: Pairs) -> Draw:
    return lambda lot: (drawn(slowed, Plan().looks[-1], lot), drawn(same, _AGAIN_PAIRS, lot))


def _live(trials: int, say: Callable[[str], None]) -> Iterator[Figure]:
    equal = try_live(0.0, trials, _HOGS, say)
    yield equal.tally.figure("live beside two hogs: same code fails", "<=", 0.0)
    slower = try_live(0.05, trials, _HOGS, say)
    yield slower.tally.figure("live beside two hogs: 5% slower fails", ">=", FOUND[0.05])
    yield slower.named_figure("live beside two hogs: the slowed function named first", NAMED)


@click.command()
@click.option("--trials", type=click.IntRange(1), help=f"Default: {_TRIALS}, live {_LIVE_TRIALS}.")
@click.option(
    "--recordings",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=RECORDED,
    help="Directory of what diag.perf.gate.record wrote.",
)
@click.option("--live", is_flag=True, help="Start processes instead; 30 trials of each kind take an hour.")
@click.option("--counts", is_flag=True, help="Count the instructions of equal and of dearer kernels instead.")
def main(trials: int | None, recordings: Path, live: bool, counts: bool) -> None:
    """Exit code 0 when all figures are as they must be, 1 when one is not, 2 when it cannot run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    try:
        if live:
            found = list(_live(trials or _LIVE_TRIALS, say))
        elif counts:
            found = list(sweep(list(KERNELS), Path.cwd()))
        else:
            found = [
                figure
                for path in sorted(recordings.glob("*.json"))
                for figure in figures(path.stem, read(path), trials or _TRIALS)
            ]
    except MetaError as error:
        console.print(f"perf-selftest: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(_CANNOT_RUN)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    console.print(table(found))
    sys.exit(not found or not all(figure.met for figure in found))


if __name__ == "__main__":
    main()
