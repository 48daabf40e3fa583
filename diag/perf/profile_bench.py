"""What a running profile costs the node's callers: KV throughput with and without, in interleaved windows."""

import threading
import time
from pathlib import Path
from statistics import median

import httpx

from diag.errors import Unavailable
from diag.perf.figures import Figure
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess

#: A profiler's own start and end are outside the window that is compared.
_LEAD = 0.4

_PROFILES = (
    ("KV throughput under a 99 Hz CPU profile", "profile?frequency=99", 0.93),
    ("KV throughput under a memory profile", "heap?mode=peak", 0.80),
)


def measure(directory: Path, *, pairs: int = 7, window: float = 2.0) -> list[Figure]:
    """Profiled : undisturbed throughput for each kind, the median over neighbouring windows."""
    figures = []
    with NodeProcess(directory / "node") as node, KvLoad(directory, node.grpc) as load:
        time.sleep(_LEAD)
        for name, route, target in _PROFILES:
            ratios = []
            for turn in range(pairs):
                quiet_first = turn % 2 == 0
                before = _undisturbed(load, window) if quiet_first else 0.0
                during = _profiled(load, node.admin, route, window)
                quiet = before if quiet_first else _undisturbed(load, window)
                ratios.append(during / quiet)
            detail = f"{pairs} pairs of {window:g} s, {min(ratios):.2f} to {max(ratios):.2f}"
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
