"""A report as text: the lines that come first, a terminal's table, Markdown for a pull request, JSON."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from diag.perf.gate.result import Report, Result
from flamegraph.paired import Effect, Verdict
from flamegraph.units import format_value

_STYLES: Final = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNCLEAR: "yellow"}
_TITLES: Final = ("benchmark", "base", "head", "change", "interval", "p", "pairs", "verdict")
_COUNTED: Final = ("base", "head", "change", "interval", "p", "pairs")
_LEFT_OUT: Final = "left out"


def tell(report: Report, out: Path | None, console: Console) -> None:
    """Print the report, and write it to ``out``, if given, as report.md and report.json."""
    for line in headlines(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(table(report.results))
    last = [compared(report)]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.md").write_text(markdown(report), encoding="utf-8")
        (out / "report.json").write_text(as_json(report), encoding="utf-8")
        last += [f"report.md and report.json are in {out}", *report.pictures]
    for line in last:
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def headlines(report: Report) -> list[str]:
    """The verdict, what failed and why, then what the reader must know of the run."""
    if not report.interrupted and (same := _broken_alike(report)):
        word = "FAIL" if same.verdict is Verdict.FAIL else str(same.verdict)
        return [f"{word}: {same.reason[:1].lower()}{same.reason[1:]}", *_indented(same.output), *report.notes]
    failed = report.failed()
    lines = [_verdict_line(report, failed)]
    lines += report.causes
    told = set()
    for result in failed:
        lines.append(f"{result.name}: {result.reason}")
        if result.output not in told:
            told.add(result.output)
            lines += _indented(result.output)
    unclear = [each for each in report.results if each.verdict is Verdict.UNCLEAR and each.judgement is None]
    for result in unclear:
        lines.append(f"{result.name}: {result.reason} {result.output.strip()}".rstrip())
    lines += report.notes
    return lines


def _broken_alike(report: Report) -> Result | None:
    """Any of the results, when nothing was judged and all are of one verdict for one reason."""
    results = [result for result in report.results if result.verdict is not None]
    ends = {(result.verdict, result.reason, result.output) for result in results}
    return results[0] if len(ends) == 1 and results[0].judgement is None else None


def _indented(output: str) -> list[str]:
    return [f"    {line}" for line in output.strip().splitlines()]


def _verdict_line(report: Report, failed: Sequence[Result]) -> str:
    if report.interrupted:
        return f"interrupted after {report.rounds} rounds: this is what was measured."
    match report.verdict:
        case Verdict.FAIL:
            told = ", ".join(_short(result) for result in failed)
            return f"FAIL: head is slower, hungrier or broken: {told}."
        case Verdict.PASS:
            unclear = sum(result.verdict is Verdict.UNCLEAR for result in report.results)
            passed = sum(result.verdict is Verdict.PASS for result in report.results)
            rest = f"; {unclear} cannot be told" if unclear else ""
            return f"pass: {passed} {'benchmark costs' if passed == 1 else 'benchmarks cost'} no more{rest}."
        case _:
            return (
                "cannot tell: no benchmark could be judged by so many pairs on this machine; it takes 8 at "
                "least to fail one alone, 12 in the suite, and more where the machine is busy (--pairs, "
                "--seconds)."
            )


def _short(result: Result) -> str:
    if result.judgement is None:
        return f"{result.name} fails"
    return f"{result.name} {change(result.judgement.effect.ratio)}"


def compared(report: Report) -> str:
    """What was compared, in one line."""
    injected = f", with {report.injected} injected into head" if report.injected else ""
    return (
        f"base: {report.base.describe()}; head: {report.head.describe()}{injected}; "
        f"{report.rounds} rounds in {report.seconds:.0f} s"
    )


def table(results: Iterable[Result], title: str = "") -> Table:
    """For a terminal, also while it runs."""
    drawn = Table(box=None, header_style="bold", title=escape(title) or None, title_justify="left")
    for column in _TITLES:
        drawn.add_column(column, justify="right" if column in _COUNTED else "left", no_wrap=True)
    for result in results:
        *cells, verdict = row(result)
        style = "dim" if result.verdict is None else _STYLES[result.verdict]
        drawn.add_row(*cells, f"[{style}]{verdict}[/]")
    return drawn


def row(result: Result) -> tuple[str, ...]:
    """One benchmark in the columns of the table: costs are medians, the change and its interval of pairs."""
    verdict = _LEFT_OUT if result.verdict is None else result.verdict.value
    if result.pairs is None or result.judgement is None:
        return (result.name, "", "", "", "", "", "", verdict)
    seen = result.judgement.effect
    return (
        result.name,
        cost(median(result.pairs.base), result.unit),
        cost(median(result.pairs.head), result.unit),
        change(seen.ratio),
        interval(seen),
        f"{min(1.0, result.judgement.p):.2g}",
        str(len(result.pairs)),
        verdict,
    )


def cost(value: float, unit: str) -> str:
    """CPU seconds or bytes, in the unit that reads best."""
    return format_value(value, "bytes") if unit == "bytes" else format_value(value * 1e9, "nanoseconds")


def change(ratio: float) -> str:
    """Head over base as a signed percentage."""
    return f"{100 * (ratio - 1):+.1f} %"


def interval(seen: Effect) -> str:
    """Where the change lies, where that is known."""
    if not 0 < seen.low <= seen.high < math.inf:
        return ""
    return f"{100 * (seen.low - 1):+.1f} to {100 * (seen.high - 1):+.1f}"


def markdown(report: Report) -> str:
    """For a pull request's comment or a job's summary."""
    lines = headlines(report)
    out = [f"### perf-check: {_plain(lines[0])}", ""]
    out += [f"- {_plain(line)}" for line in lines[1:]] + [""]
    out += [
        f"| {' | '.join(_TITLES)} |",
        "|" + "|".join("--:" if t in _COUNTED else "--" for t in _TITLES) + "|",
    ]
    for result in report.results:
        *cells, verdict = row(result)
        told = f"**{verdict}**" if result.verdict is Verdict.FAIL else verdict
        out.append(f"| {' | '.join([*map(_plain, cells), told])} |")
    out += ["", f"CPU time of the server process, bytes at its peak. {_plain(compared(report))}.", ""]
    return "\n".join(out)


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    flat = " ".join(text.split())
    for mark in "\\`*_|<>[]":
        flat = flat.replace(mark, f"\\{mark}")
    return flat


def as_json(report: Report) -> str:
    """Everything, with the costs of every pair; an end that is not known is null."""
    whole: dict[str, Any] = asdict(report)
    whole |= {"verdict": report.verdict, "exit_code": report.exit_code, "headlines": headlines(report)}
    return json.dumps(_finite(whole), indent=1) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
