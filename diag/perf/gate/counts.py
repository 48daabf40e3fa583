"""``python -m diag.perf.gate.counts``: do the pure kernels take more instructions than before?

A few runs decide: counts of the same code differ by less than a thousandth. They see nothing of waiting, of
the disk or of the system; that is what the pairs of processes are for.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

import click
from rich.console import Console
from rich.table import Table

from diag.errors import ConfigError, MetaError
from diag.perf.gate import callgrind, perf_stat
from diag.perf.gate.counts_child import KERNELS
from diag.perf.gate.result import EXIT_CODES, INTERRUPTED
from diag.perf.gate.source import Repository, Source
from flamegraph.paired import Verdict

#: Growth of a count that fails, so that 1 % never slips through, and growth that is worth a word.
FAILS: Final = 0.006
WARNS: Final = 0.003
#: Runs of each side, each with its memory laid out in another way, and how far these ways are apart.
LAYOUTS: Final = 3
SPREAD: Final = 3

_FILE_WIDTH: Final = 120


class Counting(Protocol):
    """Kernels being counted; on exit nothing runs any more. The two modules of the counters say more."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def counted(self) -> list[int | str]: ...


#: Of kernels, a layout, the directory of the packages, and one for the counter's own files.
Counter = Callable[[Sequence[str], int, Path, Path], Counting]


class Count(NamedTuple):
    """Instructions of a kernel on both sides; None for a side that failed, whose words are in ``output``."""

    kernel: str
    base: int | None
    head: int | None
    output: str = ""

    @property
    def growth(self) -> float | None:
        """What head takes more, as a part of base; None without both."""
        return None if self.base is None or self.head is None else (self.head - self.base) / self.base

    @property
    def verdict(self) -> Verdict:
        """Fail for growth beyond the limit, and for a kernel that only base can run."""
        if self.base is None:
            return Verdict.UNCLEAR
        return Verdict.FAIL if self.growth is None or self.growth > FAILS else Verdict.PASS

    @property
    def told(self) -> str:
        """The verdict in a few words."""
        if self.base is None:
            return "cannot tell: base cannot run it" if self.head else "cannot tell: neither side can run it"
        if self.growth is None:
            return "fail: head cannot run it"
        if self.verdict is Verdict.FAIL:
            return f"fail: over {FAILS:.1%}"
        return f"pass, but over {WARNS:.1%}" if self.growth > WARNS else "pass"


def count(
    kernels: Sequence[str],
    base: Path,
    head: Path,
    *,
    layouts: int = LAYOUTS,
    told: Callable[[int], object] = lambda done: None,
) -> list[Count]:
    """Each kernel with the packages in both directories; ``told`` is how many layouts are done.

    Raises ConfigError without a counter.
    """
    counting = counter()
    sides: dict[str, list[list[int | str]]] = {"base": [], "head": []}
    for number in range(layouts):
        with tempfile.TemporaryDirectory(prefix="counts-") as place, ExitStack() as stack:
            runs = {}
            for side, site in (("base", base), ("head", head)):
                own = Path(place) / side
                own.mkdir()
                runs[side] = stack.enter_context(counting(kernels, number * SPREAD, site, own))
            for side, run in runs.items():
                sides[side].append(run.counted())
        told(number + 1)
    return [
        _count(kernel, *([run[at] for run in sides[side]] for side in ("base", "head")))
        for at, kernel in enumerate(kernels)
    ]


def counter() -> Counter:
    """The processor's own counters where they can be read, else valgrind. Raises ConfigError without both."""
    if perf_stat.works():
        return perf_stat.Counting
    reason = callgrind.missing()
    if reason is not None:
        raise ConfigError(reason)
    return callgrind.Counting


def _count(kernel: str, base: Sequence[int | str], head: Sequence[int | str]) -> Count:
    """The least of all layouts; a side that failed in any has failed."""
    words = [str(each) for side in (base, head) for each in side if isinstance(each, str)]
    return Count(kernel, _least(base), _least(head), words[-1] if words else "")


def _least(side: Sequence[int | str]) -> int | None:
    numbers = [each for each in side if isinstance(each, int)]
    return min(numbers) if len(numbers) == len(side) else None


def verdict(counts: Iterable[Count]) -> Verdict:
    """Fail when any fails, pass when any passes, else nobody can tell."""
    found = {each.verdict for each in counts}
    return next((each for each in (Verdict.FAIL, Verdict.PASS) if each in found), Verdict.UNCLEAR)


def table(counts: Iterable[Count]) -> Table:
    """A row a kernel."""
    drawn = Table(box=None, header_style="bold")
    for title in ("kernel", "base", "head", "growth", ""):
        drawn.add_column(title, justify="left" if title in ("kernel", "") else "right")
    for each in counts:
        growth = "" if each.growth is None else f"{each.growth:+.3%}"
        drawn.add_row(each.kernel, *(f"{side:,}" if side else "" for side in each[1:3]), growth, each.told)
    return drawn


def sources(base: str) -> tuple[Repository, Source, Source]:
    """The repository here, the commit to compare with, and the working tree. Raises ConfigError."""
    repository = Repository(Path.cwd())
    head = repository.working_tree()
    return repository, repository.resolve(base) if base else repository.default_base(head), head


@click.command()
@click.option("--base", default="", help="Commit to compare with; default: where this branch left main.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(KERNELS)), help="Only this kernel; may be repeated."
)
@click.option(
    "--layouts",
    type=click.IntRange(1),
    default=LAYOUTS,
    show_default=True,
    help="Runs of each side; the least count of a side is the one compared.",
)
def main(base: str, only: tuple[str, ...], layouts: int) -> None:
    """Compare the working tree with a commit: 0 pass, 1 fail, 2 cannot run or tell, 130 interrupted."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    try:
        sys.exit(EXIT_CODES[_compare(base, only or tuple(KERNELS), layouts, console)])
    except MetaError as error:
        console.print(f"counts: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(EXIT_CODES[Verdict.UNCLEAR])
    except KeyboardInterrupt:
        console.print("counts: interrupted.", style="red")
        sys.exit(INTERRUPTED)


def _compare(base: str, kernels: Sequence[str], layouts: int, console: Console) -> Verdict:
    counter()
    repository, old, new = sources(base)
    with tempfile.TemporaryDirectory(prefix="counts-") as place, console.status("counting") as status:
        sides = Path(place) / "base", Path(place) / "head"
        for side, source in zip(sides, (old, new), strict=True):
            side.mkdir()
            repository.export(source, side)
        counts = count(
            kernels,
            *sides,
            layouts=layouts,
            told=lambda done: status.update(f"counting: {done} of {layouts} layouts of memory"),
        )
    console.print(table(counts))
    for each in counts:
        if each.output:
            console.print(f"{each.kernel}: {each.output}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"base: {old.describe()}\nhead: {new.describe()}", style="dim", markup=False, highlight=False
    )
    return verdict(counts)


if __name__ == "__main__":
    main()
