"""What each side is made to do: slices of fixed work, so that CPU time per request means the same on both.

A slice is short, a few milliseconds of requests where it can be: the sides take turns, and what else the
machine does meets neighbours alike.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, NamedTuple

import grpc.aio
import httpx

from diag.errors import MetaError, Unavailable
from diag.perf.engine import Engine, run_script
from diag.perf.kv_load_child import create_or_renew
from diag.perf.sql import short_script
from diag.rpc.client import MetaClient

HELD_KEYS: Final = 500
HELD: Final = "gate/held/"
_VALUE: Final = b"v" * 100
_IN_FLIGHT: Final = 8
_WATCHERS: Final = 20
_PATIENCE: Final = 20.0


class Target(NamedTuple):
    """The service under load: a client of it, its admin API's address, and the query engine on it, if any."""

    client: MetaClient
    admin: httpx.AsyncClient
    engine: Engine | None


class Workload(NamedTuple):
    """``work`` does one slice, the number given telling slices apart, and returns how many units it did.

    The first slice of a process warms up and does not count; ``slices`` do: about half a second of them, on
    two cores that do nothing else.
    """

    name: str
    unit: str
    slices: int
    work: Callable[[Target, int], Awaitable[int]]


async def hold(client: MetaClient) -> None:
    """The keys that a list finds and a snapshot holds."""
    await _spread(HELD_KEYS, lambda number: client.put(f"{HELD}{number:06}", _VALUE))


async def _put(target: Target, turn: int) -> int:
    return await _spread(30, lambda number: target.client.put(f"gate/put/{turn % 2}/{number:04}", _VALUE))


async def _get(target: Target, turn: int) -> int:
    return await _spread(40, lambda number: target.client.get(f"{HELD}{number:06}"))


async def _list(target: Target, turn: int) -> int:
    async def one(number: int) -> None:
        found = 0
        async for _ in target.client.list(f"{HELD}0002", limit=100):
            found += 1
        if found != 100:
            raise Unavailable(f"A list of 100 keys gave {found}.")

    return await _spread(4, one)


async def _transaction(target: Target, turn: int) -> int:
    return await _spread(
        25, lambda number: target.client.transaction(create_or_renew(f"gate/txn/{number:04}"))
    )


async def _watch(target: Target, turn: int) -> int:
    """A few puts, each of which reaches every watcher."""
    prefix, puts = f"gate/watch/{turn}/", 20
    watching: list[asyncio.Event] = [asyncio.Event() for _ in range(_WATCHERS)]

    async def see(begun: asyncio.Event) -> None:
        seen = 0
        async with aclosing(target.client.watch(prefix, f"{prefix}~", initial_flush=True)) as events:
            async for event in events:
                begun.set()
                seen += not event.initial
                if seen == puts:
                    return

    # The first record is there before them: its event tells each watcher that it watches.
    await target.client.put(f"{prefix}first", _VALUE)
    async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
        for begun in watching:
            group.create_task(see(begun))
        for begun in watching:
            await begun.wait()
        for number in range(puts):
            await target.client.put(f"{prefix}{number}", _VALUE)
    return _WATCHERS * puts


async def _sql(target: Target, turn: int) -> int:
    assert target.engine is not None
    statements = short_script(f"gate{turn}")
    await asyncio.to_thread(run_script, target.engine, statements)
    return len(statements)


async def _snapshot(target: Target, turn: int) -> int:
    await target.client.put("gate/before_snapshot", b"%d" % turn)
    await _ask(target.admin, "/v1/ctrl/trigger_snapshot", wait="20")
    return 1


async def _profile(target: Target, turn: int) -> int:
    """One CPU profile, and the same number of requests while it runs."""
    profile = asyncio.ensure_future(
        _ask(target.admin, "/debug/pprof/profile", seconds="0.2", format="folded")
    )
    try:
        for part in range(4):
            await _get(target, part)
    finally:
        await profile
    return 1


WORKLOADS: Final = (
    Workload("put", "request", 85, _put),
    Workload("get", "request", 65, _get),
    Workload("list", "request", 65, _list),
    Workload("transaction", "request", 130, _transaction),
    Workload("watch fan-out", "event", 28, _watch),
    Workload("sql", "statement", 6, _sql),
    Workload("snapshot", "snapshot", 70, _snapshot),
    Workload("profile while serving", "profile", 3, _profile),
)


async def _spread(count: int, one: Callable[[int], Awaitable[object]]) -> int:
    """``count`` calls, a fixed number of them at a time; the number of calls."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))
    return count


async def _ask(admin: httpx.AsyncClient, path: str, **params: str) -> None:
    response = await admin.get(path, params=params)
    if response.status_code != httpx.codes.OK:
        raise Unavailable(f"GET {path} answered {response.status_code}: {response.text.strip()}")


def words_of(error: BaseException) -> str:
    """What a failed slice says: our own sentence, the service's status, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return words_of(error.exceptions[0])
    if isinstance(error, MetaError):
        return str(error)
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"
