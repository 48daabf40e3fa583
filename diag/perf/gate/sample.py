"""One round: a fresh process of each arm, and what each benchmark costs it.

The arms stand side by side and take turns slice by slice, in an order drawn by lot each time: what the
machine does in these seconds meets all of them alike.
"""

import random
from asyncio import Runner
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Final, TypeVar

import grpc.aio
import httpx
import uvloop

from diag.errors import MetaError
from diag.perf.engine import Engine, run_script
from diag.perf.gate.station import Station, cpu_seconds, peak_bytes
from diag.perf.gate.suite import Costs, Crashed
from diag.perf.gate.workloads import WORKLOADS, Target, Workload, hold, words_of
from diag.perf.node_process import NodeProcess
from diag.perf.sql import short_script
from diag.rpc.client import MetaClient
from flamegraph.stats import quantile

BOOT: Final = "boot"
MEMORY_AT_REST: Final = "memory at rest"
MEMORY_UNDER_LOAD: Final = "memory under load"
MEMORY: Final = (MEMORY_AT_REST, MEMORY_UNDER_LOAD)
#: The share of a process's slices at or below its cost: the slices that were disturbed least.
_LOW: Final = 0.1
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
    boots: dict[str, list[float]] = {station.label: [] for station in stations}
    with ExitStack() as stack, ThreadPoolExecutor(max_workers=1) as beside:
        nodes = {}
        order = shuffled(stations, lot)
        for station, other in zip(order, [*order[1:], order[0]], strict=True):
            # A second process of each arm boots on the other core, beside another arm's.
            booting = beside.submit(other.boot) if BOOT in wanted else None
            node = nodes[station.label] = stack.enter_context(station.fresh())
            boots[station.label].append(cpu_seconds(node.pid))
            if booting is not None:
                boots[other.label].append(booting.result())
        rest = {label: peak_bytes(node.pid) for label, node in nodes.items()}
        loaded = runner.run(_loaded(stations, nodes, wanted, lot))
        peak = {label: peak_bytes(node.pid) for label, node in nodes.items()}
    found = []
    for station in stations:
        label = station.label
        costs = {BOOT: min(boots[label]), **loaded[label]}
        costs |= {MEMORY_AT_REST: float(rest[label]), MEMORY_UNDER_LOAD: float(peak[label])}
        found.append({name: cost for name, cost in costs.items() if name in wanted})
    return found


async def _fill(node: NodeProcess) -> None:
    async with MetaClient([node.grpc]) as client:
        await hold(client)


async def _loaded(
    stations: Sequence[Station], nodes: Mapping[str, NodeProcess], wanted: Collection[str], lot: random.Random
) -> dict[str, Costs]:
    costs: dict[str, Costs] = {station.label: {} for station in stations}
    async with AsyncExitStack() as stack:
        arms = [
            Arm(
                station,
                node := nodes[station.label],
                await stack.enter_async_context(target_of(station, node)),
            )
            for station in stations
        ]
        for workload in WORKLOADS:
            if workload.name in wanted:
                for arm, cost in zip(arms, await _costs(workload, arms, lot), strict=True):
                    costs[arm.station.label][workload.name] = cost
    return costs


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


async def _costs(workload: Workload, arms: Sequence[Arm], lot: random.Random) -> list[float]:
    """Of each arm, its low quantile; the first slice warms up."""
    found: dict[Arm, list[float]] = {arm: [] for arm in arms}
    for turn in range(workload.slices + 1):
        for arm in shuffled(arms, lot):
            cost = await arm.slice(workload, turn)
            if turn:
                found[arm].append(cost)
    return [quantile(found[arm], _LOW) for arm in arms]


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
