"""After a failure: the profiles that tell its cause, the sentences for the report, and the pictures."""

import random
from asyncio import Runner
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from diag.errors import MetaError
from diag.perf.gate import profiled
from diag.perf.gate.cause import Cause, Growth
from diag.perf.gate.result import Result
from diag.perf.gate.sample import BOOT, MEMORY, MEMORY_UNDER_LOAD
from diag.perf.gate.station import Station
from diag.perf.gate.workloads import WORKLOADS
from flamegraph import render
from flamegraph.paired import Verdict
from flamegraph.units import format_value

_SLICES: Final = 12
_SLICE_SECONDS: Final = 1.5
_BOOTS: Final = 6
_MEMORY_RUNS: Final = 2
_TOLD: Final = 3


class Explained(NamedTuple):
    """Sentences for the report, the cause first, and the paths of the pictures."""

    sentences: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


def explain(
    runner: Runner,
    stations: tuple[Station, Station],
    results: Sequence[Result],
    out: Path,
    lot: random.Random,
    say: Callable[[str], None],
) -> Explained:
    """Profile base and head where head failed: the surest of the workloads, the boot, the memory.

    A profile that cannot be taken is told in a sentence, for the verdict stands without it. The first one's
    pictures are ``A.svg`` (base), ``B.svg`` (head) and ``diff.svg``; a further one's carry its name.
    """
    found = Explained()
    for subject in _subjects(results):
        say(f"looking for the cause: {subject.name}")
        try:
            cause = _cause(runner, stations, subject.name, lot)
            told = _told(cause, subject, out, "" if not found.pictures else f"{_slug(subject.name)}-")
            if subject.name in (BOOT, *MEMORY):
                told = Explained(told.sentences + _imports(stations), told.pictures)
        except MetaError as error:
            told = Explained((f"The cause of {subject.name} was not found: {error}",))
        found = Explained(found.sentences + told.sentences, found.pictures + told.pictures)
    return found


def _subjects(results: Sequence[Result]) -> list[Result]:
    """One failure of each kind, the one that is surest to be large."""
    failed = [each for each in results if each.verdict is Verdict.FAIL and each.judgement is not None]

    def surest(found: Sequence[Result]) -> list[Result]:
        return sorted(found, key=lambda each: -each.judgement.effect.low if each.judgement else 0.0)[:1]

    memory = [each for each in failed if each.name in MEMORY]
    at_boot = [each for each in failed if each.name == BOOT]
    served = [each for each in failed if each not in memory and each not in at_boot]
    return surest(served) + at_boot + surest(memory)


def _cause(runner: Runner, stations: Sequence[Station], name: str, lot: random.Random) -> Cause:
    if name == BOOT:
        return Cause(*profiled.boot(stations, _BOOTS, lot))
    if name in MEMORY:
        wanted = [each.name for each in WORKLOADS if name == MEMORY_UNDER_LOAD and _can(each.name, stations)]
        return Cause(*profiled.memory(runner, stations, wanted, _MEMORY_RUNS, lot))
    return Cause(*profiled.workload(runner, stations, name, _SLICES, _SLICE_SECONDS, lot))


def _can(name: str, stations: Sequence[Station]) -> bool:
    # One profile at a time, and memory is being profiled.
    return name != "profile while serving" and (name != "sql" or stations[0].engine is not None)


def _told(cause: Cause, subject: Result, out: Path, prefix: str) -> Explained:
    if not cause.known:
        return Explained((f"The cause of {subject.name} was not found: a profile is empty.",))
    growths = cause.growths()
    sentences = [_first(cause, subject, growths)]
    sentences += [f"    {_growth(cause, subject, each)}" for each in growths[1:_TOLD] if each.sure]
    return Explained(tuple(sentences), _pictures(cause, subject, out, prefix))


def _imports(stations: tuple[Station, Station]) -> tuple[str, ...]:
    base, head = (profiled.imported(station) for station in stations)
    return (
        (f"    At boot, head imports what base does not: {', '.join(sorted(head - base))}.",)
        if head - base
        else ()
    )


def _first(cause: Cause, subject: Result, growths: Sequence[Growth]) -> str:
    if not growths or not growths[0].sure:
        return f"{subject.name}: no function grew by more than chance; the growth is spread over many."
    return f"{subject.name}: {_growth(cause, subject, growths[0])}"


def _growth(cause: Cause, subject: Result, growth: Growth) -> str:
    base, _ = cause.profiles()
    amount = format_value(growth.points / 100 * base.total, base.unit)
    kind = "memory" if subject.name in MEMORY else f"the CPU of a {subject.unit}"
    return f"{growth.sentence(kind)} ({amount})"


def _pictures(cause: Cause, subject: Result, out: Path, prefix: str) -> tuple[str, ...]:
    base, head = cause.profiles()
    what = f"{subject.name}, {'bytes at the peak' if subject.name in MEMORY else f'CPU of a {subject.unit}'}"
    drawn = {
        "A.svg": render(base, title=f"Base: {what}"),
        "B.svg": render(head, title=f"Head: {what}"),
        "diff.svg": render(cause.diff(), title=f"Head against base: {what}"),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        (out / f"{prefix}{name}").write_text(svg, encoding="utf-8")
    return tuple(str(out / f"{prefix}{name}") for name in drawn)


def _slug(name: str) -> str:
    return name.replace(" ", "-")
