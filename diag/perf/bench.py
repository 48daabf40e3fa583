"""``make bench``: every speed and memory figure with its target, each pair of sides measured in this one run.

No figure is compared with a number kept from elsewhere: what is stated as a
ratio was measured on both sides here, in turns. Missing a target is shown, and
is not a failure of the command; a part that cannot run is.
"""

import argparse
import importlib.util
import logging
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from diag.errors import EtcdMissing, MetaError
from diag.perf import engine, flamegraph_browser
from diag.perf.figures import Figure, table
from diag.replication.etcd_binary import find_etcd

#: In a file or a pipe nothing needs to be folded.
_FILE_WIDTH = 200

Part = Callable[[Path], list[Figure]]


def _sql(directory: Path) -> list[Figure]:
    from diag.perf import sql_bench

    return sql_bench.measure(directory)


def _rpc(directory: Path) -> list[Figure]:
    from diag.perf import rpc_bench

    return rpc_bench.measure(directory)


def _log(directory: Path) -> list[Figure]:
    from diag.perf import log_bench

    measured = log_bench.compare(256, directory=directory)
    detail = f"{measured.ratio:.2f} of a bare LMDB loop, p50 {measured.p50_ms:.1f} ms"
    rate = measured.commands_per_second
    return [Figure("embedded log, 256 proposers, fsync", rate, ">=", 40_000, "commands/s", detail)]


def _cluster(directory: Path) -> list[Figure]:
    from diag.perf import cluster_bench, snapshot_pause

    return cluster_bench.measure(directory / "rates") + snapshot_pause.measure(directory / "pause")


def _node(directory: Path) -> list[Figure]:
    from diag.perf import node_bench

    return node_bench.measure(directory)


def _profiles(directory: Path) -> list[Figure]:
    from diag.perf import profile_bench

    return profile_bench.measure(directory)


def _settings(directory: Path) -> list[Figure]:
    from diag.perf import setting_bench

    return setting_bench.measure(directory)


def _stops(directory: Path) -> list[Figure]:
    from diag.perf import stop_bench

    return stop_bench.measure(directory)


def _dashboard(directory: Path) -> list[Figure]:
    from diag.perf import dashboard_bench

    return dashboard_bench.measure(directory)


def _truth(directory: Path) -> list[Figure]:
    from diag.perf import truth_bench

    return truth_bench.measure(directory)


def _flamegraph(directory: Path) -> list[Figure]:
    from diag.perf import flamegraph_bench

    return flamegraph_bench.measure(directory)


#: Parts import what they measure when their turn comes, so that one broken part leaves the others. The log's
#: runs in this process and stands before those whose gRPC clients leave threads here.
PARTS: Mapping[str, Part] = {
    "log": _log,
    "sql": _sql,
    "rpc": _rpc,
    "node": _node,
    "cluster": _cluster,
    "profiles": _profiles,
    "settings": _settings,
    "stops": _stops,
    "truth": _truth,
    "dashboard": _dashboard,
    "flamegraph": _flamegraph,
}


def run(
    names: Sequence[str], console: Console, parts: Mapping[str, Part] = PARTS
) -> tuple[list[Figure], list[str]]:
    """Measure the parts named, one after another; the figures, and a sentence for each part that failed."""
    figures: list[Figure] = []
    failures: list[str] = []
    for name in names:
        reason = _lacks(name)
        if reason is not None:
            console.print(f"{name}: left out. {reason}", style="yellow", markup=False)
            continue
        try:
            with console.status(f"measuring {name}"), tempfile.TemporaryDirectory(prefix="bench-") as place:
                measured = parts[name](Path(place))
        except MetaError as error:
            failures.append(f"{name}: {error}")
            continue
        console.print(f"{name}: done")
        figures += measured
    return figures, failures


def _lacks(name: str) -> str | None:
    """What a part needs and this machine lacks."""
    if name == "sql":
        return engine.missing()
    if name == "cluster":
        try:
            find_etcd()
        except EtcdMissing as error:
            return str(error)
    if name == "dashboard":
        return _no_browser()
    return None


def _no_browser() -> str | None:
    if flamegraph_browser.browser() is None:
        return "Chromium is not on PATH."
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed."
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """0 measured (met or missed), 1 when a part could not run."""
    parser = argparse.ArgumentParser(prog="python -m diag.perf.bench")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    names = parser.parse_args(argv).parts or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; known: {', '.join(PARTS)}")
    logging.basicConfig(level=logging.ERROR)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    figures, failures = run(names, console)
    console.print(table(figures))
    for failure in failures:
        console.print(failure, style="red", markup=False)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
