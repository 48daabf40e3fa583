"""The same code several times over, some of it slowed down on purpose, ready to be measured side by side."""

import sys
from asyncio import Runner
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from diag.perf.gate import inject
from diag.perf.gate.build import Builder
from diag.perf.gate.cores import shared_out
from diag.perf.gate.sample import new_runner, prepare
from diag.perf.gate.source import Repository, Source
from diag.perf.gate.station import Station

#: What is slowed down, and the benchmarks that call it once a request.
FUNCTION: Final = "diag.kv.apply.apply"
BENCHMARKS: Final = ("put", "transaction")

_CACHE: Final = ".cache/perf"


class Arms(NamedTuple):
    """``source`` is what all stations run; ``runner`` is the loop of their load."""

    source: Source
    stations: tuple[Station, ...]
    runner: Runner


@contextmanager
def arms(place: Path, shares: Mapping[str, float]) -> Iterator[Arms]:
    """A station of the working tree for each name; ``shares`` are by how much FUNCTION is slowed in it.

    Servers have a core, and this process with the load another, until the end of the block.
    """
    repository = Repository(Path.cwd())
    source = repository.working_tree()
    build = Builder(repository, repository.root / _CACHE, Path(sys.executable)).build(source)
    with ExitStack() as stack:
        for_server = stack.enter_context(shared_out())
        runner = stack.enter_context(new_runner())
        stations = []
        for number, (name, share) in enumerate(shares.items()):
            slowed = inject.environment(f"{FUNCTION}:{share}" if share else "")
            stations.append(Station(name, build, place / str(number), for_server, slowed))
        for station in stations:
            prepare(runner, station, sql=False)
        yield Arms(source, tuple(stations), runner)
