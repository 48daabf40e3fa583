"""What a setting of a node costs: the server's CPU a request, with it and without, in interleaved windows."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from diag.perf.figures import Figure, quartiles
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NO_SNAPSHOTS, NodeProcess
from diag.profilers.threadclock import process_cpu

#: The load's own start is outside the window that is compared.
_LEAD = 0.5


class Setting(NamedTuple):
    """Flags of a node without it and of one with it; ``pairs`` times three windows, of seconds."""

    name: str
    without: Sequence[str]
    with_it: Sequence[str]
    pairs: int
    window: float


SETTINGS: Final = (
    # Its windows take a sixth of the default: their ends' cost is in the figure six times over.
    Setting(
        "always-on profiling at 19 Hz",
        (),
        ("--profiling-continuous", "--profiling-continuous-window-seconds", "10"),
        pairs=9,
        window=10.0,
    ),
    Setting("the log of slow requests", ("--admin-slow-ms", "0"), (), pairs=7, window=4.0),
)


def measure(directory: Path, settings: Sequence[Setting] = SETTINGS) -> list[Figure]:
    """A row for each setting: CPU a request of a node with it : one without."""
    return [_figure(directory / str(number), setting) for number, setting in enumerate(settings)]


def _figure(directory: Path, setting: Setting) -> Figure:
    """In turns; of three windows, the middle : its sides."""
    with (
        NodeProcess(directory / "without", (*NO_SNAPSHOTS, *setting.without)) as without,
        NodeProcess(directory / "with", (*NO_SNAPSHOTS, *setting.with_it)) as with_it,
    ):
        for node in (without, with_it):
            _cost(directory, node, setting.window)  # what a first load warms up is no part of it
        ratios, nulls, costs = [], [], []
        for turn in range(setting.pairs):
            order = (without, with_it, without) if turn % 2 else (with_it, without, with_it)
            first, middle, last = (_cost(directory, node, setting.window) for node in order)
            around = (first + last) / 2
            ratios.append(middle / around if turn % 2 else around / middle)
            nulls.append(abs(last / first - 1))
            costs.append(middle if turn % 2 == 0 else around)
    low, high = quartiles(ratios)
    detail = (
        f"{setting.pairs} times three windows of {setting.window:g} s, quartiles {low:.3f} to {high:.3f}, "
        f"noise {median(nulls):.1%}, {median(costs) * 1e6:.0f} us of CPU a request without"
    )
    return Figure(f"{setting.name}: CPU a request", median(ratios), "<=", 1.01, detail=detail)


def _cost(directory: Path, node: NodeProcess, window: float) -> float:
    """CPU seconds of the node for one operation."""
    with KvLoad(directory, node.grpc) as load:
        time.sleep(_LEAD)
        since, spent = time.monotonic(), process_cpu(node.pid)
        time.sleep(window)
        until, spent = time.monotonic(), process_cpu(node.pid) - spent
        return spent / (load.rate(since, until) * (until - since))
