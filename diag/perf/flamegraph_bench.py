"""Our flame graphs beside flamegraph.pl's, and inferno's where it can be had, in turns within one run.

FLAMEGRAPH_PL is the script, if it is not on PATH. INFERNO_FLAMEGRAPH is a command that takes a folded file
and writes the picture to standard output. FLAMEGRAPH_BENCH_STACKS are the sizes, `10000,100000` if not set;
a million takes flamegraph.pl a minute and 2.5 GB.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import NamedTuple

from diag.errors import Unavailable
from diag.perf import flamegraph_browser, folded_load
from diag.perf.children import environment
from diag.perf.figures import Figure

#: Stacks -> what is asked of us: the ratio of CPU times, and of peak memories.
_TARGETS = {10_000: (8.0, 1.0), 100_000: (15.0, 1 / 5), 1_000_000: (12.0, 1 / 6)}
_ROUNDS = 3
_IN_PROCESS_STACKS = 1_000
_BROWSER_STACKS = 9_000


_LAUNCHER = """
import os, resource, sys
child = os.fork()
if child == 0:
    os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.execvp(sys.argv[2], sys.argv[2:])
_, status = os.waitpid(child, 0)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Cost(NamedTuple):
    """CPU seconds, user and system, of one process with its children, and its peak memory in megabytes."""

    seconds: float
    megabytes: float


def measure(directory: Path) -> list[Figure]:
    """Every figure there is a peer for; a sentence stands in for those without. Unavailable without any."""
    figures = [_in_process(directory)]
    peers = {
        name: peer for name, peer in (("flamegraph.pl", _flamegraph_pl()), ("inferno", _inferno())) if peer
    }
    for stacks in _sizes():
        figures += _rendering(directory, stacks, peers)
    if "flamegraph.pl" in peers:
        figures += _in_browser(directory, peers["flamegraph.pl"])
    return figures


def _sizes() -> list[int]:
    asked = os.environ.get("FLAMEGRAPH_BENCH_STACKS", "10000,100000")
    try:
        return [int(size) for size in asked.split(",")]
    except ValueError:
        raise Unavailable(f"FLAMEGRAPH_BENCH_STACKS is {asked!r}; it must be numbers and commas.") from None


def _flamegraph_pl() -> list[str] | None:
    found = os.environ.get("FLAMEGRAPH_PL") or shutil.which("flamegraph.pl")
    if found and shutil.which("perl"):
        return ["perl", found]
    _left_out("flamegraph.pl: left out. Name the script by FLAMEGRAPH_PL, and install perl.")
    return None


def _inferno() -> list[str] | None:
    command = os.environ.get("INFERNO_FLAMEGRAPH") or shutil.which("inferno-flamegraph")
    if command:
        return shlex.split(command)
    _left_out("inferno: left out. Name its inferno-flamegraph by INFERNO_FLAMEGRAPH.")
    return None


def _left_out(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201 - what a benchmark says to its user


def _in_process(directory: Path) -> Figure:
    """Read and drawn without the start of an interpreter, as a service does it."""
    from flamegraph import read_folded, render

    folded = folded_load.write(directory / "small.folded", _IN_PROCESS_STACKS)
    times = []
    for _ in range(10 * _ROUNDS):
        start = process_time()
        render(read_folded(folded))
        times.append(1000 * (process_time() - start))
    return Figure("1,000 stacks to SVG in process", min(times), "<=", 10, "ms", f"best of {len(times)}")


def _rendering(directory: Path, stacks: int, peers: dict[str, list[str]]) -> list[Figure]:
    """CPU time, memory and bytes of whole processes, in turns."""
    folded = folded_load.write(directory / f"{stacks}.folded", stacks)
    ours = [sys.executable, "-m", "flamegraph", "render", str(folded)]
    commands = {"flamegraph": ours} | {name: [*peer, str(folded)] for name, peer in peers.items()}
    svgs = {name: directory / f"{name}.svg" for name in commands}
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(_ROUNDS if stacks < 1_000_000 else 1):
        for name, command in commands.items():
            costs[name].append(_cost(command, svgs[name]))
    mine = _least(costs["flamegraph"])
    figures = []
    for name in peers:
        their = _least(costs[name])
        time_target, memory_target = (
            _TARGETS.get(stacks, (1.0, 1.0)) if name == "flamegraph.pl" else (1.0, 1.0)
        )
        detail = f"{mine.seconds:.3f} s of CPU, {name} {their.seconds:.3f} s"
        faster = their.seconds / mine.seconds
        title = f"{stacks:,} stacks: CPU, {name} : ours"
        figures.append(Figure(title, faster, ">=", time_target, detail=detail))
        detail = f"{mine.megabytes:.0f} MB, {name} {their.megabytes:.0f} MB"
        smaller = mine.megabytes / their.megabytes
        title = f"{stacks:,} stacks: memory, ours : {name}"
        figures.append(Figure(title, smaller, "<=", memory_target, detail=detail))
        sizes = svgs["flamegraph"].stat().st_size, svgs[name].stat().st_size
        detail = f"{sizes[0]:,} bytes, {name} {sizes[1]:,}"
        title = f"{stacks:,} stacks: SVG, ours : {name}"
        figures.append(Figure(title, sizes[0] / sizes[1], "<=", 0.4, detail=detail))
    return figures


def _least(costs: Sequence[Cost]) -> Cost:
    return Cost(min(cost.seconds for cost in costs), min(cost.megabytes for cost in costs))


def _cost(command: Sequence[str], svg: Path) -> Cost:
    """Runs a command with its output in a file, under a small process: a child is said to have been as large
    as the process it was forked from."""
    launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(svg), *command]
    run = subprocess.run(
        launched, capture_output=True, text=True, env=_as_installed(svg.parent / "bytecode"), check=False
    )
    if run.returncode:
        raise Unavailable(f"{command[0]} did not draw {command[-1]}: {run.stderr.strip()[-200:]}")
    return Cost(*map(float, run.stdout.split()))


def _as_installed(bytecode: Path) -> dict[str, str]:
    """The environment of a command whose modules are compiled, as an installed one's are; the first round of
    several compiles them."""
    variables = environment({"PYTHONPYCACHEPREFIX": str(bytecode)})
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    return variables


def _in_browser(directory: Path, flamegraph_pl: list[str]) -> list[Figure]:
    """Some 20,000 frames, all drawn."""
    if flamegraph_browser.browser() is None:
        _left_out("In the browser: left out. Chromium is not on PATH.")
        return []
    from flamegraph import read_folded, render

    folded = folded_load.write(directory / "browser.folded", _BROWSER_STACKS)
    profile = read_folded(folded)
    theirs = subprocess.run(
        [*flamegraph_pl, "--minwidth=0", str(folded)], capture_output=True, check=True
    ).stdout
    pictures = {"ours": render(profile, min_width=0).encode(), "theirs": theirs}
    times = flamegraph_browser.measure(pictures, directory)
    ours, other = times["ours"], times["theirs"]
    frames = f"{len(profile):,} frames"
    return [
        Figure(
            f"{frames}: load, ours : flamegraph.pl",
            ours.load / other.load,
            "<=",
            1 / 3,
            detail=f"{ours.load:.0f} ms, {ours.elements:,} elements; {other.load:.0f} ms, {other.elements:,}",
        ),
        Figure(f"{frames}: zoom", ours.zoom, "<=", 100, "ms", f"flamegraph.pl {other.zoom:.0f} ms"),
        Figure(f"{frames}: search", ours.search, "<=", 150, "ms", f"flamegraph.pl {other.search:.0f} ms"),
    ]
