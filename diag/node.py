"""The composition root: builds every part of one node and knows the order they start and stop in.

Start: data directory, ordered log, gRPC, admin. Stop is the reverse, after a
running profile was ended, so that nothing acknowledged is lost and nothing is
left behind.
"""

import hashlib
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version as distribution_version
from pathlib import Path

from diag.admin.app import Parts, create_app
from diag.admin.checks import node_checks
from diag.admin.guard import Guard
from diag.admin.server import AdminServer
from diag.config import Config, show_config
from diag.errors import ConfigError
from diag.kv.apply import KNOWN_FEATURES
from diag.kv.directory import DATA_DIR, SNAPSHOT_DIR
from diag.kv.replacement import recover
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.kv.watch import WatchHub
from diag.metrics.collector import node_registry
from diag.metrics.lag import LoopLag
from diag.metrics.registry import Metrics
from diag.profilers.hub import Profilers
from diag.profilers.lock import ProfileLock
from diag.replication import NodeAddress
from diag.replication.local import LocalLog
from diag.rpc.auth import HandshakeAuth
from diag.rpc.server import RpcServer, Tls
from diag.rpc.service import MetaService

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
        return distribution_version("metadiag")

    async def start(self) -> None:
        """Serve. The bound addresses are in ``grpc_address`` and ``admin_address``."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        for key in sorted(self._config.inapplicable()):
            _logger.warning("the key %s has no effect in this service", key)
        try:
            await self._start()
        except BaseException:
            await self._running.aclose()
            raise
        _logger.info("%s", self.banner())

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
        config, raft = self._config, self._config.raft_config
        if raft.log_engine != "embedded":
            raise ConfigError(f"raft_config.log_engine = {raft.log_engine!r} is not a part of this node yet")
        recover(raft.raft_dir / DATA_DIR)
        store = Store.open(raft.raft_dir / DATA_DIR, node_id=raft.id)
        self._running.callback(store.close)
        snapshots = SnapshotStore(raft.raft_dir / SNAPSHOT_DIR)
        log = LocalLog(store, _address_of(config), snapshots, _clock_ms, raft.snapshot_logs_since_last)
        await self._begin(log.start, log.stop)

        reader, hub, metrics, lag = Reader(store), WatchHub(store), Metrics(), LoopLag()
        self._running.callback(
            log.subscribe(lambda applied: hub.publish(applied.log_id.index, applied.changes))
        )
        lag.start()
        self._running.push_async_callback(lag.stop)
        await self._start_rpc(log, reader, hub, metrics)
        await self._start_admin(log, reader, metrics, lag)

    async def _start_rpc(self, log: LocalLog, reader: Reader, hub: WatchHub, metrics: Metrics) -> None:
        config = self._config
        server = RpcServer(
            MetaService(log, reader, hub, HandshakeAuth(), metrics, _clock_ms, version=self.version()),
            config.grpc_api_address,
            transport=config.grpc_transport,
            tls=_tls(config.grpc_tls_server_cert, config.grpc_tls_server_key),
            max_message_size=config.grpc_api_max_message_size,
        )
        host, _ = _split(config.grpc_api_address)
        self.grpc_address = f"{host}:{await server.start()}"
        self._running.push_async_callback(server.stop)

    async def _start_admin(self, log: LocalLog, reader: Reader, metrics: Metrics, lag: LoopLag) -> None:
        config = self._config
        token = config.admin.token.get_secret_value() if config.admin.token else None
        lock = ProfileLock()
        profilers = Profilers(lock)
        data_dir = config.raft_config.raft_dir
        parts = Parts(
            log=log,
            registry=node_registry(log, metrics, lag, self.version(), source_hash()),
            profilers=profilers,
            profile_lock=lock,
            guard=Guard(token, config.admin.token_file),
            checks=node_checks(log=log, lag=lag, data_dir=data_dir, read_store=reader.features),
            config_text=lambda: show_config(config),
            features=reader.features,
            known_features=KNOWN_FEATURES,
            version=self.version(),
            grpc_address=self.grpc_address,
        )
        host, port = _split(config.admin_api_address)
        server = AdminServer(
            create_app(parts), host, port, cert=config.admin_tls_server_cert, key=config.admin_tls_server_key
        )
        self.admin_address = f"{host}:{await server.start()}"
        self._running.push_async_callback(server.stop)
        self._running.push_async_callback(profilers.close)

    async def _begin(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        await start()
        self._running.push_async_callback(stop)


def source_hash() -> str:
    """Names the code that runs: a hash of this package's sources, 12 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _tls(cert: str, key: str) -> Tls | None:
    return Tls(Path(cert), Path(key)) if cert else None


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _address_of(config: Config) -> NodeAddress:
    raft = config.raft_config
    advertise = config.grpc_api_advertise_host
    return NodeAddress(
        node_id=raft.id,
        name=str(raft.id),
        raft_host=raft.raft_advertise_host,
        raft_port=raft.raft_api_port,
        grpc_advertise=f"{advertise}:{_split(config.grpc_api_address)[1]}" if advertise else None,
    )
