"""``diag perf compare -- COMMAND_A --- COMMAND_B``: which of two commands costs more, by the gate's rules."""

import random
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from diag.errors import InvalidRequest
from diag.perf.gate.commands import UNITS, Commands
from diag.perf.gate.machine import this_machine
from diag.perf.gate.progress import Progress
from diag.perf.gate.report import tell
from diag.perf.gate.result import Report
from diag.perf.gate.run import plan_of
from diag.perf.gate.source import Source
from diag.perf.gate.suite import Suite

_BETWEEN = "---"
_FILE_WIDTH = 160


@click.group()
def perf() -> None:
    """Measure side by side, in pairs, so that a busy machine does not decide."""


@perf.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--pairs", type=click.IntRange(4, 1000), default=40, show_default=True, help="Of runs, at most."
)
@click.option(
    "--seconds", type=click.FloatRange(0), default=120.0, show_default=True, help="At most so long."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Put report.md, report.json here."
)
@click.argument("commands", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND_A --- COMMAND_B")
def compare(pairs: int, seconds: float, out: Path | None, commands: Sequence[str]) -> int:
    """Does COMMAND_B take more CPU time or memory than COMMAND_A?

    Both run again and again, in an order drawn by lot; A also against itself. 0: it does not; 1: it does, by
    more than 2 %, or it alone fails; 2: nobody can tell.

    diag perf compare -- python old.py --- python new.py
    """
    base, head = _two(commands)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    began = time.monotonic()
    measure = Commands(base, head, random.Random()).measure  # noqa: S311 - an order, not a secret
    suite = Suite(UNITS, measure, plan=plan_of(pairs), seconds=seconds)
    with Progress(console) as progress:
        suite.run(progress.watch)
    report = Report(
        _named(base),
        _named(head),
        tuple(suite.results()),
        time.monotonic() - began,
        suite.rounds,
        notes=tuple(suite.notes),
        interrupted=suite.interrupted,
        machine=this_machine(),
    )
    tell(report, out, console)
    return report.exit_code


def _two(words: Sequence[str]) -> tuple[list[str], list[str]]:
    if words.count(_BETWEEN) != 1:
        raise InvalidRequest(
            f"There must be two commands with one {_BETWEEN} between them: "
            "diag perf compare -- python old.py --- python new.py."
        )
    at = list(words).index(_BETWEEN)
    base, head = list(words[:at]), list(words[at + 1 :])
    if not base or not head:
        raise InvalidRequest(f"The command {'before' if not base else 'after'} {_BETWEEN} is missing.")
    return base, head


def _named(command: Sequence[str]) -> Source:
    return Source(shlex.join(command), "", "", "")
