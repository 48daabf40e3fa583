"""What a running profile costs the node's callers: throughput and p99 with and without, in turns in one run.

Beside each engine of ours stands plain ``py-spy record`` from outside. Every window with a profile is held
against the quiet windows around it, and a row in which nothing is switched on tells what the machine alone
does to such a ratio. Rows without a demand on them have a target that nothing misses.
"""

import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final, Literal, NamedTuple

import httpx

from diag.errors import ProfilerError, Unavailable
from diag.perf.figures import Figure, quartiles
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NO_SNAPSHOTS, NodeProcess
from diag.profilers.native import PROFILER, ROOT
from diag.profilers.permission import find_py_spy

#: A profiler's own start and end are outside the window that is compared.
_LEAD: Final = 0.5

Take = Callable[[NodeProcess, float], float | None]


class Way(NamedTuple):
    """One way to profile for so many seconds; it gives the pause share where that is told."""

    name: str
    take: Take
    ops: float
    p99: float


class Pair(NamedTuple):
    """Throughput and p99 of a window with a profile, as ratios to the quiet windows around it."""

    ops: float
    p99: float
    pause: float | None


def _nothing(_node: NodeProcess, seconds: float) -> None:
    time.sleep(seconds)


def _route(route: str) -> Take:
    def take(node: NodeProcess, seconds: float) -> float | None:
        return _pause(_got(node, route, seconds))

    return take


def _whole(route: str) -> Take:
    """A CPU profile by the default engine, which loses no sample and tears no stack."""

    def take(node: NodeProcess, seconds: float) -> float | None:
        response = _got(node, route, seconds)
        _require_whole(int(response.headers["X-Profile-Errors"]), response.text)
        return _pause(response)

    return take


def _got(node: NodeProcess, route: str, seconds: float) -> httpx.Response:
    url = f"http://{node.admin}/debug/pprof/{route}&seconds={seconds}&format=folded"
    response = httpx.get(url, timeout=seconds + 60, trust_env=False)
    if response.status_code != httpx.codes.OK:
        raise Unavailable(f"GET {url} answered {response.status_code}: {response.text}")
    return response


def _pause(response: httpx.Response) -> float | None:
    share = response.headers.get("X-Profile-Pause-Share")
    return None if share is None else float(share)


def _require_whole(errors: int, folded: str) -> None:
    torn = [line for line in folded.splitlines() if not line.startswith(_ROOTS)]
    if errors or torn:
        raise ProfilerError(f"The default engine lost {errors} samples; torn stacks: {torn[:3]}.")


def _record(node: NodeProcess, seconds: float) -> None:
    """Plain py-spy, as a person would run it."""
    with tempfile.NamedTemporaryFile() as out:
        command = [
            str(find_py_spy(None)),
            "record",
            "-p",
            str(node.pid),
            "-r",
            "99",
            "-d",
            "600",
            "-f",
            "raw",
        ]
        with subprocess.Popen(
            [*command, "-o", out.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as child:
            time.sleep(seconds)
            child.send_signal(signal.SIGINT)
            child.wait(30)


#: Where every stack begins that is whole.
_ROOTS: Final = ("<module> (", "_run_module_as_main (", "Thread._bootstrap (", ROOT, PROFILER)
#: Throughput and p99 that nothing misses.
_ANY: Final = (0.0, 100.0)
WAYS: Final = (
    Way("CPU profile, 99 Hz", _whole("profile?frequency=99"), 0.98, 1.05),
    Way("CPU profile, 99 Hz, engine=py-spy", _route("profile?frequency=99&engine=py-spy"), *_ANY),
    Way("plain py-spy record, 99 Hz", _record, *_ANY),
    Way("nothing (the machine's own noise)", _nothing, *_ANY),
)
MEMORY: Final = (
    Way("memory profile, aggregated", _route("heap?mode=peak"), 0.90, 1.30),
    Way("memory profile, aggregated, small objects", _route("heap?mode=peak&small_objects=true"), *_ANY),
)


def measure(directory: Path, *, pairs: int = 7, window: float = 2.0) -> list[Figure]:
    """Ratios for gRPC and HTTP, way by way and in turns; each way's p99 beside its throughput."""
    figures: list[Figure] = []
    with NodeProcess(directory / "node", NO_SNAPSHOTS) as node:
        for what, http, ways in (("gRPC", False, (*WAYS, *MEMORY)), ("HTTP", True, WAYS)):
            with KvLoad(directory, node.admin if http else node.grpc, http=http) as load:
                time.sleep(2 * _LEAD)
                taken = in_turns(node, load, ways, pairs, window)
            for way in ways:
                figures += _figures(what, way, taken[way.name], window)
    return figures


def in_turns(
    node: NodeProcess, load: KvLoad, ways: Sequence[Way], pairs: int, window: float
) -> dict[str, list[Pair]]:
    """Every way once a round, a quiet window between any two."""
    taken: dict[str, list[Pair]] = {way.name: [] for way in ways}
    before = _window(load, window)
    for _ in range(pairs):
        for way in ways:
            during, pause = _profiled(node, load, way, window)
            after = _window(load, window)
            ops = 2 * during[0] / (before[0] + after[0])
            taken[way.name].append(Pair(ops, 2 * during[1] / (before[1] + after[1]), pause))
            before = after
    return taken


def _figures(what: str, way: Way, pairs: Sequence[Pair], window: float) -> list[Figure]:
    pauses = [pair.pause for pair in pairs if pair.pause is not None]
    stopped = f", pause share {median(pauses):.2%}" if pauses else ""
    rows: list[tuple[str, list[float], Literal["<=", ">="], float, str]] = [
        ("throughput", [pair.ops for pair in pairs], ">=", way.ops, stopped),
        ("p99", [pair.p99 for pair in pairs], "<=", way.p99, ""),
    ]
    return [
        Figure(
            f"{what} {word}: {way.name}",
            median(values),
            bound,
            target,
            detail=f"{len(pairs)} windows of {window:g} s, quartiles {low:.3f} to {high:.3f}{more}",
        )
        for word, values, bound, target, more in rows
        for low, high in [quartiles(values)]
    ]


def _window(load: KvLoad, seconds: float) -> tuple[float, float]:
    """Operations a second and p99 in milliseconds from now on."""
    since = time.monotonic()
    time.sleep(seconds)
    rate = load.rate(since, since + seconds)
    return rate, load.p99(since, since + seconds)


def _profiled(
    node: NodeProcess, load: KvLoad, way: Way, window: float
) -> tuple[tuple[float, float], float | None]:
    outcome: list[float | None] = []
    failures: list[Exception] = []

    def take() -> None:
        try:
            outcome.append(way.take(node, window + 2 * _LEAD))
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            failures.append(error)

    with ExitStack() as stack:
        profile = threading.Thread(target=take)
        profile.start()
        stack.callback(profile.join)
        time.sleep(_LEAD)
        during = _window(load, window)
    if failures:
        raise failures[0]
    return during, outcome[0]
