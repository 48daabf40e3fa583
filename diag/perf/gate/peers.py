"""``python -m diag.perf.gate.peers``: other tools' verdicts on the recorded costs, beside ours.

The others run by their own code, in an environment of their own below .cache, made at the first call. They
are given what they ask for: costs of base and of head, out of the same rounds. In the columns called stored,
base is of the first half of a recording and head of the second, as where a number was kept; ours cannot
compare these.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from diag.errors import ConfigError, MetaError
from diag.perf.gate.recording import AGAIN, SLOWED, Recording, drawn, read, scaled
from diag.perf.gate.selftest import RECORDED, decide
from flamegraph.paired import Pairs, Plan, Verdict, effect

PACKAGES: Final = ("pytest-benchmark==5.3.1", "pyperf==2.11.0")
OURS: Final = "this gate"

_PLACE: Final = Path(".cache/perf/peers")
_CHILD: Final = Path(__file__).with_name("peers_child.py")
_TRIALS: Final = 300
_PAIRS: Final = 40
_SEED: Final = 21
_FILE_WIDTH: Final = 160


class Case(NamedTuple):
    """Trials of one kind, and how many of them each tool says are slower."""

    name: str
    trials: Sequence[Pairs]
    again: Pairs | None


def cases(name: str, recording: Recording, benchmark: str, trials: int) -> Iterator[Case]:
    """The same code, the slower ones, and the same code at another time."""
    same = recording.pairs(benchmark, AGAIN)
    lot = random.Random(_SEED)

    def draw(pairs: Pairs) -> list[Pairs]:
        return [drawn(pairs, _PAIRS, lot) for _ in range(trials)]

    yield Case(f"{name}: same code", draw(same), same)
    for arm, growth in SLOWED.items():
        slowed = recording.pairs(benchmark, arm)
        exact = scaled(slowed, (1 + growth) / effect(slowed).ratio)
        yield Case(f"{name}: {growth:+.0%}", draw(exact), same)
    half = len(same) // 2
    yield Case(f"{name}: same code, stored", draw(Pairs(same.base[:half], same.head[-half:])), None)


def verdicts(case: Case, python: Path) -> Mapping[str, int]:
    """How many trials are slower by each tool. Raises ConfigError when the others cannot be run."""
    given = json.dumps([[trial.base, trial.head] for trial in case.trials])
    done = subprocess.run([python, "-P", _CHILD], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"the other tools cannot be run: {done.stderr.strip()[-500:]}")
    found = {name: sum(answers) for name, answers in json.loads(done.stdout).items()}
    if case.again is not None:
        plan = Plan()
        failed = [decide(trial, case.again, plan).verdict is Verdict.FAIL for trial in case.trials]
        found = {OURS: sum(failed)} | found
    return found


def environment() -> Path:
    """The interpreter of an environment that has PACKAGES. Raises ConfigError when it cannot be made."""
    python = _PLACE / "bin" / "python"
    stamp = _PLACE / " ".join(PACKAGES)
    if not stamp.exists():
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(_PLACE)],
            [str(python), *install, *PACKAGES],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ConfigError(f"{PACKAGES} cannot be installed: {done.stderr.strip()[-500:]}")
        stamp.touch()
    return python


@click.command()
@click.option("--benchmark", default="put", show_default=True)
@click.option("--trials", type=click.IntRange(1), default=_TRIALS, show_default=True)
def main(benchmark: str, trials: int) -> None:
    """Print how many of the trials each tool calls slower."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    drawn_table = Table(
        box=None, header_style="bold", title=f"trials called slower, of {trials} each; {benchmark}"
    )
    try:
        python = environment()
        columns = {
            case.name: verdicts(case, python)
            for path in sorted(RECORDED.glob("*.json"))
            for case in cases(path.stem, read(path), benchmark, trials)
        }
    except MetaError as error:
        console.print(f"peers: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    for title in ("", *columns):
        drawn_table.add_column(title, justify="right" if title else "left")
    tools = dict.fromkeys(tool for column in columns.values() for tool in column)
    for tool in tools:
        drawn_table.add_row(tool, *(str(column.get(tool, "")) for column in columns.values()))
    console.print(drawn_table)


if __name__ == "__main__":
    main()
