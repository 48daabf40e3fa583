"""What is told of a run: the first lines, the tables, the exit code."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from diag.perf.gate.report import as_json, headlines, markdown, table
from diag.perf.gate.result import Report, Result
from diag.perf.gate.source import Source
from flamegraph.paired import Pairs, Plan, Verdict, judge

SOURCE = Source("main", "1" * 40, "2" * 40, "a <b>change</b> | of `it`")
BASE = tuple(1e-4 + 1e-7 * (number % 3) for number in range(20))


def result(name: str, factor: float, unit: str = "request") -> Result:
    pairs = Pairs(BASE, tuple(cost * factor for cost in BASE))
    judged = judge(pairs, plan=Plan(looks=(20,)))
    return Result(name, unit, judged.verdict, judged.reason, pairs, None, judged)


def report(*results: Result) -> Report:
    return Report(SOURCE, replace_source(), results, 12.0, 20)


def replace_source() -> Source:
    return replace(SOURCE, name="working tree", changed=1)


def drawn(found: Report) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(table(found.results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_nothing_measured() -> None:
    found = report()
    assert found.exit_code == 2
    assert headlines(found)[0].startswith("cannot tell")
    assert "benchmark" in drawn(found)
    assert json.loads(as_json(found))["exit_code"] == 2


def test_a_pass() -> None:
    found = report(result("get", 1.0))
    assert (found.verdict, found.exit_code) == (Verdict.PASS, 0)
    assert headlines(found) == ["pass: 1 benchmark costs no more."]


def test_a_failure_comes_first_with_its_figure_and_its_cause() -> None:
    found = replace(report(result("get", 1.0), result("put", 1.2)), causes=("apply grew",))
    assert found.exit_code == 1
    first, second, *_ = headlines(found)
    assert first == "FAIL: head is slower, hungrier or broken: put +20.0 %."
    assert second == "apply grew"
    row = next(line for line in drawn(found).splitlines() if "put" in line)
    assert "+20.0 %" in row
    assert "fail" in row
    assert "**fail**" in markdown(found)


def test_a_crash_is_told_with_its_output() -> None:
    crash = Result(
        "put", "request", Verdict.FAIL, "Head fails at put.", output="ValueError: [bad]\nat line 1"
    )
    found = report(result("get", 1.0), crash)
    assert found.exit_code == 1
    assert headlines(found)[1:] == ["put: Head fails at put.", "    ValueError: [bad]", "    at line 1"]


@pytest.mark.parametrize(
    ("verdict", "reason", "headline"),
    [
        (Verdict.FAIL, "Head fails at the run, and base does not.", "FAIL: head fails at the run, and"),
        (Verdict.UNCLEAR, "Both sides fail at the run.", "cannot tell: both sides fail at the run."),
    ],
)
def test_where_all_is_broken_alike_the_headline_says_how_once(
    verdict: Verdict, reason: str, headline: str
) -> None:
    broken = [Result(name, "run", verdict, reason, output="it ended with 1") for name in ("time", "memory")]
    first, *rest = headlines(report(*broken, Result("sql", "statement", None, "No engine.")))
    assert first.startswith(headline)
    assert rest == ["    it ended with 1"]


def test_what_is_left_out_does_not_count() -> None:
    found = report(result("get", 1.0), Result("sql", "statement", None, "No engine."))
    assert found.exit_code == 0
    assert "left out" in drawn(found)


@pytest.mark.parametrize(("factor", "code"), [(1.0, 130), (1.5, 1)])
def test_an_interrupt_is_told(factor: float, code: int) -> None:
    found = replace(report(result("get", factor)), interrupted=True)
    assert found.exit_code == code
    assert headlines(found)[0].startswith("interrupted after 20 rounds")


def test_markdown_keeps_names_from_being_markup() -> None:
    text = markdown(report(result("get", 1.0)))
    assert "<b>" not in text
    assert "1 file not committed" in text
    assert text.count("\n| get |") == 1


def test_json_has_every_pair_and_no_infinity() -> None:
    few = Pairs((1.0,), (1.1,))
    judged = judge(few)
    found = report(Result("get", "request", judged.verdict, judged.reason, few, few, judged))
    told = json.loads(as_json(found), parse_constant=pytest.fail)
    assert told["results"][0]["pairs"] == {"base": [1.0], "head": [1.1]}
    assert told["results"][0]["judgement"]["effect"]["high"] is None


def test_bytes_are_told_as_bytes() -> None:
    pairs = Pairs((80 * 2**20,) * 20, (80 * 2**20,) * 20)
    judged = judge(pairs, plan=Plan(looks=(20,)))
    found = report(Result("memory at rest", "bytes", judged.verdict, judged.reason, pairs, None, judged))
    assert "80.0 MiB" in drawn(found)
