"""What a running profile costs the node's callers: KV throughput with and without, in interleaved windows."""

import threading
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import httpx

from diag.errors import Unavailable
from diag.perf.figures import Figure, quartiles
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess

#: A profiler's own start and end are outside the window that is compared.
_LEAD = 0.4

_PROFILES = (
    ("KV throughput under a 99 Hz CPU profile", "profile?frequency=99", 0.93),
    ("KV throughput under a memory profile", "heap?mode=peak", 0.80),
)


def measure(directory: Path, *, pairs: int = 7, window: float = 2.0) -> list[Figure]:
    """Profiled : undisturbed throughput for each kind, each window against the quiet ones around it.

    The quiet windows among themselves tell how far the machine alone moves such a ratio.
    """
    figures = []
    with NodeProcess(directory / "node") as node, KvLoad(directory, node.grpc) as load:
        time.sleep(_LEAD)
        for name, route, target in _PROFILES:
            quiet, profiled = [_undisturbed(load, window)], []
            for _ in range(pairs):
                profiled.append(_profiled(load, node.admin, route, window))
                quiet.append(_undisturbed(load, window))
            around = [(before + after) / 2 for before, after in pairwise(quiet)]
            ratios = [during / usual for during, usual in zip(profiled, around, strict=True)]
            noise = median(abs(after / before - 1) for before, after in pairwise(quiet))
            low, high = quartiles(ratios)
            detail = (
                f"{pairs} windows of {window:g} s, quartiles {low:.2f} to {high:.2f}, noise {noise:.0%}, "
                f"{median(quiet):,.0f} operations/s"
            )
            figures.append(Figure(name, median(ratios), ">=", target, detail=detail))
    return figures


def _undisturbed(load: KvLoad, window: float) -> float:
    since = time.monotonic()
    time.sleep(window)
    return load.rate(since, since + window)


def _profiled(load: KvLoad, admin: str, route: str, window: float) -> float:
    url = f"http://{admin}/debug/pprof/{route}&seconds={window + 2 * _LEAD}&format=folded"
    failures: list[str] = []

    def take() -> None:
        response = httpx.get(url, timeout=window + 60, trust_env=False)
        if response.status_code != httpx.codes.OK:
            failures.append(f"GET {url} answered {response.status_code}: {response.text}")

    profile = threading.Thread(target=take)
    profile.start()
    time.sleep(_LEAD)
    rate = _undisturbed(load, window)
    profile.join()
    if failures:
        raise Unavailable(failures[0])
    return rate
