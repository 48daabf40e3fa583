"""Do the counts find 1 % more of every kernel, and never the same code? Each is counted in other layouts.

The 1 % are turns of an empty loop in the counted process, as many as make up a hundredth of its kernel. The
layouts lie between each other: a later one has more in memory, which costs a little by itself.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal

from diag.errors import ConfigError
from diag.perf.figures import Figure
from diag.perf.gate.counts import FAILS, LAYOUTS, SPREAD, counter

MORE: Final = 0.01

_TURNS: Final = 100_000


def sweep(kernels: Sequence[str], site: Path) -> Iterator[Figure]:
    """Of each kernel of the packages in ``site`` the growth that is found in the same code, and in 1 % more.

    Raises ConfigError without a counter, and for a kernel that fails.
    """
    if not kernels:
        return
    counts = _counted(kernels, _layouts(0), site)
    longer = _counted([f"{kernel}+{_TURNS}" for kernel in kernels], _layouts(0), site)
    turns = [
        math.ceil(MORE * count * _TURNS / (more - count)) for count, more in zip(counts, longer, strict=True)
    ]
    slower = [f"{kernel}+{number}" for kernel, number in zip(kernels, turns, strict=True)]
    same = _counted(kernels, _layouts(1), site)
    more = _counted(slower, _layouts(2), site)
    for kernel, base, equal, grown in zip(kernels, counts, same, more, strict=True):
        yield _figure(f"{kernel}: the same code", "<=", base, equal)
        yield _figure(f"{kernel}: {MORE:.0%} more", ">=", base, grown)


def _layouts(first: int) -> Sequence[int]:
    return range(first, SPREAD * LAYOUTS, SPREAD)


def _figure(name: str, bound: Literal["<=", ">="], base: int, head: int) -> Figure:
    return Figure(name, head / base - 1, bound, FAILS, "", f"{base:,} instructions, then {head:,}")


def _counted(kernels: Sequence[str], layouts: Sequence[int], site: Path) -> list[int]:
    """The least of each kernel over the layouts."""
    counting = counter()
    with tempfile.TemporaryDirectory(prefix="counts-") as place, ExitStack() as stack:
        runs = []
        for layout in layouts:
            own = Path(place) / str(layout)
            own.mkdir()
            runs.append(stack.enter_context(counting(kernels, layout, site, own)))
        columns = [run.counted() for run in runs]
    least = []
    for kernel, found in zip(kernels, zip(*columns, strict=True), strict=True):
        numbers = [each for each in found if isinstance(each, int)]
        if len(numbers) < len(found):
            raise ConfigError(f"{kernel} cannot be counted: {found}.")
        least.append(min(numbers))
    return least
