"""``make perf-check``: did this change make the service slower or hungrier, by how much, and where."""

import os
import signal
import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from diag.errors import MetaError
from diag.perf.gate import inject
from diag.perf.gate.progress import Progress
from diag.perf.gate.report import tell
from diag.perf.gate.result import INTERRUPTED
from diag.perf.gate.run import Options, Run
from diag.perf.gate.sample import UNITS

_FILE_WIDTH: Final = 160
_CANNOT_RUN: Final = 2


@click.command()
@click.option("--base", default="", help="Commit to compare with; default: where this branch left main.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(UNITS)), help="Only this benchmark; repeatable."
)
@click.option(
    "--pairs", type=click.IntRange(1, 1000), default=40, show_default=True, help="Of each, at most."
)
@click.option(
    "--seconds", type=click.FloatRange(1), default=220.0, show_default=True, help="Bound of the measuring."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/perf"),
    show_default=True,
    help="Where report.md and report.json go.",
)
def main(base: str, only: tuple[str, ...], pairs: int, seconds: float, out: Path) -> None:
    """Compare the working tree with a commit; 0 pass, 1 fail, 2 cannot run or cannot tell, 130 interrupted.

    What is not committed yet is judged too, and the report says so. DIAG_PERF_INJECT=module.function:0.05
    slows head down by so much, to see whether it is found.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    options = Options(base, only or tuple(UNITS), pairs, seconds, out, os.environ.get(inject.VARIABLE, ""))
    try:
        if options.injected:
            inject.parse(options.injected)
        with Progress(console) as progress:
            found = Run(options, progress.say, progress.watch).check(Path.cwd(), Path(sys.executable))
        tell(found, out, console)
    except MetaError as error:
        console.print(f"perf-check: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(_CANNOT_RUN)
    except KeyboardInterrupt:
        console.print("perf-check: interrupted before anything was measured.", style="red")
        sys.exit(INTERRUPTED)
    sys.exit(found.exit_code)


if __name__ == "__main__":
    main()
