"""What always-on profiling costs: the server's CPU a request, with it and without, in interleaved windows."""

import time
from pathlib import Path
from statistics import median

from diag.perf.figures import Figure, quartiles
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NO_SNAPSHOTS, NodeProcess
from diag.profilers.threadclock import process_cpu

#: The load's own start is outside the window that is compared.
_LEAD = 0.5
#: A sixth of the default: its end costs a whole one's, so that cost is in the figure six times over.
_WINDOW_FLAGS = ("--profiling-continuous", "--profiling-continuous-window-seconds", "10")


def measure(directory: Path, *, pairs: int = 9, window: float = 10.0) -> list[Figure]:
    """CPU a request of a node with it : one without, in turns; of three windows, the middle : its sides."""
    with (
        NodeProcess(directory / "plain", NO_SNAPSHOTS) as plain,
        NodeProcess(directory / "always", (*NO_SNAPSHOTS, *_WINDOW_FLAGS)) as always,
    ):
        for node in (plain, always):
            _cost(directory, node, window)  # what a first load warms up is no part of it
        ratios, nulls, costs = [], [], []
        for turn in range(pairs):
            order = (plain, always, plain) if turn % 2 else (always, plain, always)
            first, middle, last = (_cost(directory, node, window) for node in order)
            around = (first + last) / 2
            ratios.append(middle / around if turn % 2 else around / middle)
            nulls.append(abs(last / first - 1))
            costs.append(middle if turn % 2 == 0 else around)
    low, high = quartiles(ratios)
    detail = (
        f"{pairs} times three windows of {window:g} s at 19 Hz, quartiles {low:.3f} to {high:.3f}, "
        f"noise {median(nulls):.1%}, {median(costs) * 1e6:.0f} us of CPU a request without"
    )
    return [Figure("always-on profiling: CPU a request", median(ratios), "<=", 1.01, detail=detail)]


def _cost(directory: Path, node: NodeProcess, window: float) -> float:
    """CPU seconds of the node for one operation."""
    with KvLoad(directory, node.grpc) as load:
        time.sleep(_LEAD)
        since, spent = time.monotonic(), process_cpu(node.pid)
        time.sleep(window)
        until, spent = time.monotonic(), process_cpu(node.pid) - spent
        return spent / (load.rate(since, until) * (until - since))
