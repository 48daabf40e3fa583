"""The composition root: the order in which the parts of one node start and stop.

Start: data directory, ordered log, gRPC, admin. Stop is the reverse, after a
running profile was ended, so that nothing acknowledged is lost and nothing is
left behind.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from diag.admin.door import Door
from diag.admin.exposure import require_doors
from diag.admin.tunnel import Tunnel
from diag.config import Config
from diag.doctor.standstill import StandstillWatch
from diag.errors import Compacted, StoreError
from diag.kv.view import Reader
from diag.kv.watch import WatchHub
from diag.metrics.lag import LoopLag
from diag.metrics.registry import Metrics
from diag.metrics.slow import SlowRequests
from diag.profilers.lifelong import MemoryFromStart
from diag.replication.cluster import ClusterEngine
from diag.wiring.admin import Work, admin_app, admin_server, work_of
from diag.wiring.inside import Engine, Inside, engine_of, version
from diag.wiring.rpc import rpc_server
from diag.wiring.settings import guard, split

_logger = logging.getLogger(__name__)

# The committer and the event loop pass the interpreter lock for every batch: the default of 5 ms would be the
# latency of a write while the loop is busy.
SWITCH_INTERVAL = 0.0005


class Node:
    """One meta node. ``start`` raises MetaError with nothing left running; ``stop`` may be called once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._running = AsyncExitStack()
        self.grpc_address = ""
        self.admin_address = ""

    @staticmethod
    def version() -> str:
        """The distribution's version."""
        return version()

    async def start(self) -> None:
        """Serve. The bound addresses are in ``grpc_address`` and ``admin_address``."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        require_doors(self._config)
        for key in sorted(self._config.inapplicable()):
            _logger.warning("the key %s has no effect in this service", key)
        try:
            await self._start()
        except BaseException:
            await self._running.aclose()
            raise
        _logger.info("%s", self.banner())

    @property
    def engine(self) -> Engine:
        """What the node runs on; after ``start``."""
        return self._engine

    async def fell_behind(self) -> None:
        """Returns when the node must be started again to go on; a node of its own never does."""
        if isinstance(self._engine, ClusterEngine):
            reason = await asyncio.shield(self._engine.log.failed)
            if isinstance(reason, Compacted):
                return
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Stop serving, finish what was acknowledged, release the data directory."""
        await self._running.aclose()
        _logger.info("stopped")

    def banner(self) -> str:
        """One line for the person who started the node."""
        return (
            f"meta node {self._config.raft_config.id} serves gRPC on {self.grpc_address} "
            f"and admin on {self.admin_address}"
        )

    async def _start(self) -> None:
        inside = await self._start_inside()
        door = Door()
        await self._start_rpc(inside, door)
        door.open(await self._start_admin(inside))
        # Not before: a start holds the loop while nobody waits yet, and is no reason to be called unready.
        inside.lag.start()
        self._running.push_async_callback(inside.lag.stop)
        inside.watch.start()
        self._running.callback(inside.watch.stop)

    async def _start_inside(self) -> Inside:
        config = self._config
        doors = guard(config)  # a file of tokens that cannot be read ends a start before anything else
        life = MemoryFromStart() if config.profiling.memory_from_start else None
        if life is not None:
            await self._begin(life.start, life.stop)
        engine = self._engine = engine_of(config)
        await self._begin(engine.start, engine.stop)
        lag = LoopLag()
        return Inside(
            config=config,
            engine=engine,
            reader=Reader(engine.store),
            metrics=Metrics(),
            lag=lag,
            watch=StandstillWatch(lag),
            slow=SlowRequests(config.admin.slow_ms / 1000),
            life=life,
            guard=doors,
        )

    async def _start_rpc(self, inside: Inside, door: Door) -> None:
        hub = WatchHub(inside.engine.store)
        self._running.callback(
            inside.engine.log.subscribe(lambda applied: hub.publish(applied.log_id.index, applied.changes))
        )
        server = rpc_server(inside, hub, door)
        host, _ = split(self._config.grpc_api_address)
        self.grpc_address = f"{host}:{await server.start()}"
        self._running.push_async_callback(server.stop)

    async def _start_admin(self, inside: Inside) -> Tunnel:
        work = work_of(inside)
        work.history.start()
        self._running.push_async_callback(work.history.stop)
        work.course.start()
        self._running.push_async_callback(work.course.stop)
        app = admin_app(inside, work, self.grpc_address)
        server = admin_server(self._config, app)
        host, _ = split(self._config.admin_api_address)
        self.admin_address = f"{host}:{await server.start()}"
        self._running.push_async_callback(server.stop)
        self._running.push_async_callback(work.live.close)
        self._running.push_async_callback(work.profilers.close)
        await self._start_windows(work)
        tunnel = Tunnel(app)
        self._running.push_async_callback(tunnel.close)
        return tunnel

    async def _start_windows(self, work: Work) -> None:
        if self._config.profiling.continuous:
            await self._begin(work.always.start, work.always.close)
        else:
            with contextlib.suppress(StoreError):  # what an earlier run kept, where it can be read
                await asyncio.to_thread(work.windows.load)

    async def _begin(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        await start()
        self._running.push_async_callback(stop)
