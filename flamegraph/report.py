"""Comparisons as text, JSON and annotations: figures made in `diff` and `check` get their form here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flamegraph.units import format_value

if TYPE_CHECKING:
    from flamegraph.check import Finding, Verdict
    from flamegraph.diff import Change, Diff

_PATH_SHOWN = 4
_ROUNDING = 1e-12
_ONE_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_PLACE = re.compile(r"[^(]*\((?P<file>[^():]+):(?P<line>\d+)\)")
_SURE = ((4.0, "sure"), (2.0, "likely"), (0.0, "within chance"))


def diff_text(diff: Diff, n: int = 10) -> str:
    """The sizes of both profiles, then the n functions whose own share grew most, and shrank most."""
    grew = [change for change in diff.functions if change.growth > _ROUNDING]
    shrank = [change for change in diff.functions if change.growth < -_ROUNDING]
    lines = [*_sizes(diff), ""]
    for title, changes in (("grew", grew), ("shrank", shrank)):
        if changes:
            lines.append(f"Own share {title}, in points of the whole:")
            lines += (f"  {_change(diff, change)}" for change in changes[:n])
            if len(changes) > n:
                lines.append(f"  and {len(changes) - n:,} functions by less")
    if not grew and not shrank:
        lines.append("No function's own share changed.")
    return "\n".join(lines) + "\n"


def _sizes(diff: Diff) -> Iterator[str]:
    base, new = (format_value(total, diff.unit) for total in (diff.total_base, diff.total_new))
    yield f"Base {base}, new {new}; " + (
        "shares of each one's whole." if diff.normalized else "weights as they are, in shares of the base."
    )
    if diff.samples is None:
        yield f"How sure cannot be told: {_unsure_because(diff)}."
    else:
        yield (
            f"Intervals are 95 %, for samples that vary {diff.design_effect:g} times as much as "
            "independent ones; z is in standard errors."
        )


def _unsure_because(diff: Diff) -> str:
    """Why nothing can be said about chance, as the end of a sentence."""
    if not diff.total_base or not diff.total_new:
        return "one of the profiles is empty"
    return f"{diff.unit} are not samples, and the profiles do not say how many samples they rest on"


def _change(diff: Diff, change: Change) -> str:
    parts = [f"{_points(change.growth):>7}"]
    interval = diff.interval(change.base, change.new)
    if interval is not None and change.z is not None:
        between = f"[{_points(interval[0])}, {_points(interval[1])}]"
        sure = next(word for least, word in _SURE if abs(change.z) >= least)
        parts.append(f"{between:<17} z {change.z:+5.1f} {sure:<13}")
    parts.append(f"{_share(change.base):>7} -> {_share(change.new):>7}  {one_line(change.name)}")
    note = "new" if not change.base_total else "vanished" if not change.new_total else ""
    return "  ".join(parts) + (f" ({note})" if note else "")


def verdict_text(verdict: Verdict) -> str:
    """The verdict in the first line, then each finding with where it stands, then what was compared."""
    count = len(verdict.findings)
    lines = [
        f"REGRESSION: {count} {'function' if count == 1 else 'functions'} grew beyond the limits."
        if count
        else "ok: no function grew beyond the limits."
    ]
    for finding in verdict.findings:
        lines += [f"  {sentence(finding)}", f"    under {_callers(finding.path)}"]
    return "\n".join([*lines, *_caution(verdict), *_sizes(verdict.diff), *_limits(verdict)]) + "\n"


def sentence(finding: Finding) -> str:
    """One finding as one line: the name, by how many points, how sure, from what to what."""
    sure = (
        ""
        if finding.interval is None
        else " ({} to {}, z {:.1f})".format(*map(_points, finding.interval), finding.z)
    )
    what = {"self": "of its own", "new": "new", "callees": "in what it calls"}[finding.kind]
    return (
        f"{one_line(finding.name)} {_points(finding.growth)} points{sure}, {what}: "
        f"{_share(finding.base)} -> {_share(finding.new)}"
    )


def _caution(verdict: Verdict) -> Iterator[str]:
    """Shares add up to one: where one function was made faster, the shares of all others grew."""
    if verdict.ok or not verdict.diff.normalized:
        return
    smallest = min(verdict.diff.functions, key=lambda change: change.growth)
    if -smallest.growth < verdict.findings[0].growth:
        return
    factor = (1 - smallest.new) / (1 - smallest.base) if smallest.base < 1 else math.inf
    yield (
        f"Note: {one_line(smallest.name)} shrank by {-100 * smallest.growth:.2f} points. "
        f"If it was made faster, that alone made all other shares grow by a factor of {factor:.2f}: "
        "compare runs of equal work without normalizing."
    )


def _limits(verdict: Verdict) -> Iterator[str]:
    limits = verdict.limits
    yield (
        f"Limits: growth over {100 * limits.growth:g} points and {100 * limits.relative:g} % of the base, "
        f"z {limits.z:g} or more, share {100 * limits.share:g} % or more; "
        f"as large as that: {verdict.judged:,}."
    )
    if verdict.baselines > 1:
        yield f"{verdict.baselines} baselines: growth within their own spread is no finding."


def verdict_json(verdict: Verdict) -> str:
    """The verdict as a JSON object; shares are fractions of the whole, `z` and `interval` null if unknown."""
    diff = verdict.diff
    return (
        json.dumps(
            {
                "verdict": "ok" if verdict.ok else "regression",
                "unit": diff.unit,
                "base": {"total": diff.total_base, "samples": diff.samples and diff.samples[0]},
                "new": {"total": diff.total_new, "samples": diff.samples and diff.samples[1]},
                "baselines": verdict.baselines,
                "judged": verdict.judged,
                "limits": verdict.limits._asdict(),
                "findings": [finding._asdict() for finding in verdict.findings],
            },
            indent=2,
        )
        + "\n"
    )


def verdict_github(verdict: Verdict) -> str:
    """Workflow commands, one `::error` a finding; at the file and line where the name holds them."""
    if verdict.ok:
        return f"::notice title=flamegraph check::{_data(verdict_text(verdict).splitlines()[0])}\n"
    return "".join(
        f"::error {_place(finding.name)}title=flamegraph check::"
        f"{_data(sentence(finding) + ', under ' + _callers(finding.path))}\n"
        for finding in verdict.findings
    )


def _place(name: str) -> str:
    match = _PLACE.fullmatch(name)
    if match is None or match["file"].startswith(("/", "<")):
        return ""
    return f"file={_property(match['file'])},line={match['line']},"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _callers(path: Sequence[str]) -> str:
    callers = [one_line(name) for name in path[:-1]]
    shown = ["...", *callers[-_PATH_SHOWN:]] if len(callers) > _PATH_SHOWN else callers
    return " > ".join(shown) or "the root"


def one_line(text: str) -> str:
    """The text without line breaks, control characters, changes of direction: it commands no terminal."""
    return _ONE_LINE.sub(" ", text)


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def _share(share: float) -> str:
    return f"{100 * share:.2f}%"
