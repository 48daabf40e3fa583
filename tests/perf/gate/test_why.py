"""What is told of a failure's cause, where there is none and where it cannot be found."""

import random
from pathlib import Path

from diag.perf.gate.build import Build
from diag.perf.gate.result import Result
from diag.perf.gate.sample import new_runner
from diag.perf.gate.source import Source
from diag.perf.gate.station import Station
from diag.perf.gate.why import Explained, explain
from flamegraph.paired import Pairs, Plan, Verdict, judge


def stations(place: Path) -> tuple[Station, Station]:
    """Two sides that do not start."""
    build = Build(Source("a", "1", "2", "s"), Path("/bin/false"), place)
    found = []
    for label in ("base", "head"):
        (place / label / "seed").mkdir(parents=True)
        found.append(Station(label, build, place / label, None, {}))
    return found[0], found[1]


def result(name: str, factor: float) -> Result:
    pairs = Pairs((1.0,) * 20, (factor,) * 20)
    judged = judge(pairs, plan=Plan(looks=(20,)))
    return Result(name, "request", judged.verdict, judged.reason, pairs, None, judged)


def explained(place: Path, *results: Result) -> Explained:
    with new_runner() as runner:
        return explain(runner, stations(place), results, place / "out", random.Random(0), lambda text: None)


def test_no_failure_has_no_cause(tmp_path: Path) -> None:
    assert explained(tmp_path) == Explained()
    assert explained(tmp_path / "again", result("put", 1.0)) == Explained()


def test_a_crash_needs_no_profile(tmp_path: Path) -> None:
    assert explained(tmp_path, Result("put", "request", Verdict.FAIL, "Head fails.")) == Explained()


def test_a_profile_that_cannot_be_taken_is_a_sentence_for_each_kind(tmp_path: Path) -> None:
    found = explained(tmp_path, *(result(name, 1.5) for name in ("put", "get", "boot", "memory at rest")))
    assert [sentence.split(" was not found: ")[0] for sentence in found.sentences] == [
        "The cause of put",
        "The cause of boot",
        "The cause of memory at rest",
    ]
    assert found.pictures == ()
