"""``make perf-history``: what each commit cost, in a file that grows by a line a run, drawn with its steps.

A trend and no gate: figures of different days are compared, on one machine at least. The file may live on a
branch of its own, which no checkout sees; it is written there without touching the working tree.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import click

from diag.errors import ConfigError, MetaError
from diag.perf.gate.history_picture import Line, picture
from diag.perf.gate.history_store import FILE, OnBranch, OnFile
from flamegraph.change_points import ChangePoint, change_points

_CANNOT_RUN: Final = 2


class Entry(NamedTuple):
    """One run: the commit, when (ISO 8601), on what machine, and median cost and unit by benchmark."""

    commit: str
    subject: str
    at: str
    machine: str
    medians: dict[str, tuple[float, str]]

    def line(self) -> str:
        """As it stands in the file."""
        return json.dumps(self._asdict(), sort_keys=True) + "\n"


def entry_of(report: Mapping[str, Any], at: datetime) -> Entry:
    """Head's medians of a report.json. Raises ConfigError where there are none."""
    medians = {
        result["name"]: (median(result["pairs"]["head"]), result["unit"])
        for result in report["results"]
        if result["pairs"]
    }
    if not medians:
        raise ConfigError("The report has no measurements to keep.")
    head = report["head"]
    machine = ", ".join(f"{name} {value}" for name, value in sorted(report["machine"].items()))
    commit = head["commit"] + ("+" if head["changed"] else "")
    return Entry(commit, head["subject"], at.isoformat(timespec="seconds"), machine, medians)


def read(text: str) -> list[Entry]:
    """The entries of a history, oldest first. Raises ConfigError, naming the line that is none."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            fields = json.loads(line)
            medians = {name: (float(value), str(unit)) for name, (value, unit) in fields["medians"].items()}
            entries.append(Entry(**{**fields, "medians": medians}))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"Line {number} of the history is no entry: {error}. Mend or remove it."
            ) from None
    return entries


def lines_of(entries: Sequence[Entry]) -> list[Line]:
    """A series for each benchmark, of the entries made on the machine of the last one, with its steps."""
    same = [entry for entry in entries if entry.machine == entries[-1].machine] if entries else []
    names = dict.fromkeys(name for entry in same for name in entry.medians)
    lines = []
    for name in names:
        having = [entry for entry in same if name in entry.medians]
        values = [entry.medians[name][0] for entry in having]
        labels = [f"{entry.commit[:10]} {entry.subject}" for entry in having]
        unit = having[-1].medians[name][1]
        lines.append(Line(name, unit, values, labels, change_points(values)))
    return lines


def told(line: Line, step: ChangePoint) -> str:
    """One step as a sentence."""
    return f"{line.name}: {100 * (step.ratio - 1):+.1f} % since {line.labels[step.at]} (p = {step.p:.1g})"


@click.command()
@click.option(
    "--report", type=click.Path(path_type=Path), default=Path("build/perf/report.json"), show_default=True
)
@click.option("--file", type=click.Path(path_type=Path), default=Path("build/perf") / FILE, show_default=True)
@click.option("--branch", default="", help="Keep it in this branch and not in the file.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("build/perf/history.svg"), show_default=True
)
def main(report: Path, file: Path, branch: str, out: Path) -> None:
    """Append the last report of perf-check to the history, and draw it with its steps marked."""
    try:
        store = OnBranch(Path.cwd(), branch) if branch else OnFile(file)
        entry = entry_of(_report(report), datetime.now(UTC))
        text = store.text() + entry.line()
        lines = lines_of(read(text))
        store.write(text)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(picture(lines), encoding="utf-8")
    except MetaError as error:
        click.echo(f"perf-history: {error}", err=True)
        sys.exit(_CANNOT_RUN)
    for line in lines:
        for step in line.steps:
            click.echo(told(line, step))
    click.echo(f"{len(text.splitlines())} entries in {branch or file}, drawn in {out}")


def _report(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"There is no report {path}: run make perf-check first.") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no report of perf-check: {error}.") from None
    return found


if __name__ == "__main__":
    main()
