"""What a setting of a node costs: the server's CPU a request, with it and without, in many short turns."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from diag.perf.figures import Figure, quartiles
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NO_SNAPSHOTS, NodeProcess
from diag.profilers.threadclock import process_cpu

#: Until a load that goes on is in its stride.
_LEAD = 0.1


class Setting(NamedTuple):
    """Flags of a node without it and of one with it; ``pairs`` of fresh nodes, windows of seconds.

    A window is shorter than the time for a call: the other side's load stands still meanwhile.
    """

    name: str
    without: Sequence[str]
    with_it: Sequence[str]
    pairs: int
    turns: int
    window: float


SETTINGS: Final = (
    # Its windows take a sixth of the default: their ends' cost is in the figure six times over.
    Setting(
        "always-on profiling at 19 Hz",
        (),
        ("--profiling-continuous", "--profiling-continuous-window-seconds", "10"),
        pairs=3,
        turns=15,
        window=2.0,
    ),
    Setting("the log of slow requests", ("--admin-slow-ms", "0"), (), pairs=5, turns=10, window=1.0),
)


def measure(directory: Path, settings: Sequence[Setting] = SETTINGS) -> list[Figure]:
    """A row for each setting: CPU a request of a node with it : one without."""
    return [_figure(directory / str(number), setting) for number, setting in enumerate(settings)]


def _figure(directory: Path, setting: Setting) -> Figure:
    """Each pair is of fresh nodes, since two processes of one program differ by a percent for good."""
    pairs = [_pair(directory / str(number), setting) for number in range(setting.pairs)]
    ratios = [with_it / without for without, with_it in pairs]
    low, high = quartiles(ratios)
    detail = (
        f"{setting.pairs} fresh pairs, each in {setting.turns} turns of {setting.window:g} s, quartiles "
        f"{low:.3f} to {high:.3f}, {median(cost for cost, _ in pairs) * 1e6:.0f} us of CPU a request without"
    )
    return Figure(f"{setting.name}: CPU a request", median(ratios), "<=", 1.01, detail=detail)


def _pair(directory: Path, setting: Setting) -> tuple[float, float]:
    """CPU seconds of one operation without the setting, and with it; the loads run in turns, never both."""
    with ExitStack() as running:
        sides = []
        for name, flags in (("without", setting.without), ("with", setting.with_it)):
            node = running.enter_context(NodeProcess(directory / name, (*NO_SNAPSHOTS, *flags)))
            load = running.enter_context(KvLoad(directory / name, node.grpc))
            running.callback(load.go_on)
            load.pause()
            sides.append(_Side(node, load))
        for turn in range(setting.turns + 1):
            for side in sides if turn % 2 else reversed(sides):
                side.take(setting.window, counts=turn > 0)  # what a first turn warms up is no part of it
        return sides[0].cost, sides[1].cost


class _Side:
    """A node and its load, which goes on for a window at a time."""

    def __init__(self, node: NodeProcess, load: KvLoad) -> None:
        self._node = node
        self._load = load
        self._cpu = 0.0
        self._done = 0.0

    @property
    def cost(self) -> float:
        """CPU seconds of the node for one operation."""
        return self._cpu / self._done

    def take(self, window: float, *, counts: bool) -> None:
        self._load.go_on()
        time.sleep(_LEAD)
        since, before = time.monotonic(), process_cpu(self._node.pid)
        time.sleep(window)
        until, after = time.monotonic(), process_cpu(self._node.pid)
        rate = self._load.rate(since, until)
        self._load.pause()
        if counts:
            self._cpu += after - before
            self._done += rate * (until - since)
