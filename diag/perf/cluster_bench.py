"""A cluster of three nodes on this machine against raw puts into the same etcd by the same client.

Two nodes are processes; the third runs here, on its own event loop, beside the proposers and the client that
puts into its etcd directly. Both sides take turns. In a cluster of real machines each node has its own cores.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import uvloop

from diag.kv.commands import Branch, Put, Transaction
from diag.perf.figures import Figure
from diag.perf.three_nodes import three_nodes
from diag.replication.cluster import ClusterEngine
from diag.replication.etcd_client import EtcdClient

_VALUE = b"v" * 100
_KEYS = 20_000
_ROUNDS = 4
_SECONDS = 0.8
#: Proposers -> what is asked of a proposal's rate against a raw put's.
_TARGETS = {1: 0.5, 16: 1.8, 256: 4.0}
_READERS = 16

Call = Callable[[int], Awaitable[object]]


def measure(directory: Path) -> list[Figure]:
    """Rates of writes and of linearizable reads, as ratios to etcd's own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(directory))


async def _measure(directory: Path) -> list[Figure]:
    async with three_nodes(directory) as nodes, _client(nodes.engine) as client:
        engine = nodes.engine

        async def raw(number: int) -> object:
            return await client.put(b"bench/%d" % (number % _KEYS), _VALUE, deadline=10)

        async def propose(number: int) -> object:
            key = f"bench/{number % _KEYS:08d}"
            return await engine.log.propose(Transaction((Branch(None, (Put(key, _VALUE),)),)))

        async def raw_read(_: int) -> object:
            return await client.get(b"metadiag/log", keys_only=True, deadline=10)

        async def read_index(_: int) -> object:
            return await engine.log.read_index()

        figures = []
        for proposers, target in _TARGETS.items():
            ours, theirs = await _in_turns(propose, raw, proposers)
            title = f"three nodes: propose : raw etcd put, {proposers} at once"
            figures.append(_figure(title, ours, theirs, target))
        ours, theirs = await _in_turns(read_index, raw_read, _READERS)
        title = f"three nodes: read index : etcd's linearizable get, {_READERS} at once"
        return [*figures, _figure(title, ours, theirs, 2.5)]


@asynccontextmanager
async def _client(engine: ClusterEngine) -> AsyncIterator[EtcdClient]:
    client = EtcdClient([engine.member_endpoint])
    try:
        yield client
    finally:
        await client.close()


async def _in_turns(ours: Call, theirs: Call, workers: int) -> tuple[list[float], list[float]]:
    mine, other = [], []
    for _ in range(_ROUNDS):
        mine.append(await _rate(ours, workers))
        other.append(await _rate(theirs, workers))
    return mine, other


async def _rate(call: Call, workers: int) -> float:
    """Calls a second of closed loops."""
    started = time.perf_counter()
    end = started + _SECONDS
    done = 0

    async def work(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call(number + done)
            done += 1

    await asyncio.gather(*(work(number) for number in range(workers)))
    return done / (time.perf_counter() - started)


def _figure(title: str, ours: list[float], theirs: list[float], target: float) -> Figure:
    ratio = median(mine / other for mine, other in zip(ours, theirs, strict=True))
    detail = f"{median(ours):,.0f} : {median(theirs):,.0f} a second"
    return Figure(title, ratio, ">=", target, detail=detail)
