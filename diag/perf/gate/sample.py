"""One round: a fresh process of each arm, and what each benchmark costs it.

The arms stand side by side and take turns slice by slice, in an order drawn by lot each time: what the
machine does in these seconds meets all of them alike. The cost of a process is the median of its slices.

Measured on two cores, of `put`: a slice varies by a tenth, and fresh processes of the same code by nothing
that could be told beside it. So what counts is the number of slices in all, and a boot costs as much time as
a hundred. With a hundred slices the medians of two processes differ by 1.6 % (standard deviation), beside two
processes that compute by 1.8 %; with 20 by 2.8 %. The 10 % quantile, with 20 by 5.5 %: it is for what stands
alone, not for what takes turns.
"""

import math
import random
from asyncio import Runner
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from statistics import median
from typing import Final, TypeVar

import grpc.aio
import httpx
import uvloop

from diag.errors import MetaError
from diag.perf.engine import Engine, run_script
from diag.perf.gate.station import Station, cpu_seconds, peak_bytes, together
from diag.perf.gate.suite import Costs, Crashed
from diag.perf.gate.workloads import WORKLOADS, Target, Workload, hold, words_of
from diag.perf.node_process import NodeProcess
from diag.perf.sql import short_script
from diag.rpc.client import MetaClient

BOOT: Final = "boot"
MEMORY_AT_REST: Final = "memory at rest"
MEMORY_UNDER_LOAD: Final = "memory under load"
MEMORY: Final = (MEMORY_AT_REST, MEMORY_UNDER_LOAD)
#: So many workloads of a round have all their slices; more of them share what these have.
_WHOLE_WORKLOADS: Final = 5
_TIMEOUT: Final = 30.0

#: Every benchmark: CPU seconds for one of these, or bytes.
UNITS: Final[Mapping[str, str]] = (
    {BOOT: "boot"} | {workload.name: workload.unit for workload in WORKLOADS} | dict.fromkeys(MEMORY, "bytes")
)

Item = TypeVar("Item")


def prepare(runner: Runner, station: Station, *, sql: bool) -> None:
    """The data that every process of the station starts from; with ``sql``, an engine that stays connected.

    Raises Crashed when the side cannot do that.
    """
    with failures(station, BOOT), station.first() as node:
        runner.run(_fill(node))
        if sql:
            engine = Engine(station.directory / "engine", meta=node.grpc, cluster_id=station.directory.name)
            station.connect(engine)
            run_script(engine, short_script("gate"))


def measure(
    runner: Runner, stations: Sequence[Station], wanted: Collection[str], lot: random.Random
) -> list[Costs]:
    """The cost of each wanted benchmark to each station, in one round. Raises Crashed."""
    order = shuffled(stations, lot)
    costs: dict[str, Costs] = {station.label: {} for station in stations}
    with ExitStack() as stack:
        if BOOT in wanted:
            nodes, boots = _booted(order, stack)
            _note(costs, BOOT, boots)
        else:
            nodes = stack.enter_context(together(order))
        _note(costs, MEMORY_AT_REST, {label: peak_bytes(node.pid) for label, node in nodes.items()})
        runner.run(_load(stations, nodes, wanted, lot, costs))
        _note(costs, MEMORY_UNDER_LOAD, {label: peak_bytes(node.pid) for label, node in nodes.items()})
    return [
        {name: cost for name, cost in costs[station.label].items() if name in wanted} for station in stations
    ]


def _booted(order: Sequence[Station], stack: ExitStack) -> tuple[dict[str, NodeProcess], dict[str, float]]:
    """A process of each, booted one after the other, and the CPU time of the cheaper of two boots.

    A second process of each arm boots on the other core, beside another arm's.
    """
    nodes: dict[str, NodeProcess] = {}
    boots: dict[str, float] = {}
    beside = stack.enter_context(ThreadPoolExecutor(max_workers=1))
    for station, other in zip(order, [*order[1:], order[0]], strict=True):
        booting = beside.submit(other.boot)
        node = nodes[station.label] = stack.enter_context(station.fresh())
        for label, cost in ((station.label, cpu_seconds(node.pid)), (other.label, booting.result())):
            boots[label] = min(cost, boots.get(label, cost))
    return nodes, boots


def _note(costs: Mapping[str, Costs], name: str, found: Mapping[str, float]) -> None:
    for label, cost in found.items():
        costs[label][name] = float(cost)


async def _fill(node: NodeProcess) -> None:
    async with MetaClient([node.grpc]) as client:
        await hold(client)


async def _load(
    stations: Sequence[Station],
    nodes: Mapping[str, NodeProcess],
    wanted: Collection[str],
    lot: random.Random,
    costs: Mapping[str, Costs],
) -> None:
    workloads = [workload for workload in WORKLOADS if workload.name in wanted]
    async with AsyncExitStack() as stack:
        arms = [
            Arm(
                station,
                node := nodes[station.label],
                await stack.enter_async_context(target_of(station, node)),
            )
            for station in stations
        ]
        for workload in workloads:
            slices = math.ceil(workload.slices * min(1, _WHOLE_WORKLOADS / len(workloads)))
            _note(costs, workload.name, await _costs(workload, arms, lot, slices))


class Arm:
    """A station's process under load; ``slice`` gives the CPU seconds that a unit of the workload took."""

    def __init__(self, station: Station, node: NodeProcess, target: Target) -> None:
        self.station = station
        self._node = node
        self._target = target

    async def slice(self, workload: Workload, turn: int) -> float:
        """Raises Crashed."""
        with failures(self.station, workload.name, self._node):
            before = cpu_seconds(self._node.pid)
            done = await workload.work(self._target, turn)
            return (cpu_seconds(self._node.pid) - before) / done


async def _costs(
    workload: Workload, arms: Sequence[Arm], lot: random.Random, slices: int
) -> dict[str, float]:
    """The median of each arm's slices; the first slice warms up."""
    found: dict[str, list[float]] = {arm.station.label: [] for arm in arms}
    for turn in range(slices + 1):
        for arm in shuffled(arms, lot):
            cost = await arm.slice(workload, turn)
            if turn:
                found[arm.station.label].append(cost)
    return {label: median(costs) for label, costs in found.items()}


@asynccontextmanager
async def target_of(station: Station, node: NodeProcess) -> AsyncIterator[Target]:
    """Clients of the node that runs, closed on exit."""
    async with (
        MetaClient([node.grpc]) as client,
        httpx.AsyncClient(base_url=f"http://{node.admin}", timeout=_TIMEOUT, trust_env=False) as admin,
    ):
        yield Target(client, admin, station.engine)


@contextmanager
def failures(station: Station, workload: str, node: NodeProcess | None = None) -> Iterator[None]:
    """Whatever fails inside is this station's failure at the workload; a dead process's words come first."""
    try:
        yield
    except Crashed:
        raise
    except (MetaError, grpc.aio.AioRpcError, httpx.HTTPError, OSError, ExceptionGroup) as error:
        words = words_of(error)
        if node is not None:
            try:
                node.check()
            except MetaError as dead:
                words = str(dead)
        raise Crashed(station.label, workload, words) from error


def shuffled(items: Sequence[Item], lot: random.Random) -> list[Item]:
    """In an order drawn by lot."""
    return lot.sample(items, len(items))


def new_runner() -> Runner:
    """The loop that every load of a run is on."""
    return Runner(loop_factory=uvloop.new_event_loop)
