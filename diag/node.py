"""The composition root: builds every part of one node and knows the order they start and stop in.

Start: data directory, ordered log, gRPC, admin. Stop is the reverse, after a
running profile was ended, so that nothing acknowledged is lost and nothing is
left behind.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import TypeAlias

from diag.admin.always import Always
from diag.admin.app import Parts, create_app
from diag.admin.checks import node_checks
from diag.admin.dashboard.live import Live
from diag.admin.door import Door
from diag.admin.exposure import require_doors
from diag.admin.guard import Guard
from diag.admin.load import load_of
from diag.admin.roles import Role
from diag.admin.server import AdminServer
from diag.admin.tokens import TokensFile
from diag.admin.tunnel import Tunnel
from diag.config import Config, secrets_of, show_config
from diag.config.model import RaftConfig
from diag.doctor.cluster_course import etcd_memory, standing_of
from diag.doctor.course import Course, Standing
from diag.doctor.facts import Etcd
from diag.doctor.member import etcd_facts
from diag.doctor.self_report import SelfReport, Sources
from diag.doctor.standstill import StandstillWatch
from diag.errors import Compacted, StoreError
from diag.kv.apply import KNOWN_FEATURES
from diag.kv.directory import ETCD_DIR
from diag.kv.view import Reader
from diag.kv.watch import WatchHub
from diag.logs import log_file
from diag.metrics.collector import node_registry
from diag.metrics.history import History
from diag.metrics.lag import LoopLag
from diag.metrics.peers import etcd_figures, peer_traffic
from diag.metrics.registry import Metrics
from diag.metrics.slow import SlowRequests
from diag.profilers.about import Load
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.profilers.lifelong import MemoryFromStart
from diag.profilers.lock import ProfileLock
from diag.profilers.shelf import PROFILES_DIR, Shelf
from diag.profilers.turns import Turns
from diag.profilers.windows import WINDOWS_DIR, Windows
from diag.redact import Redactor, of_environment
from diag.replication import NodeAddress
from diag.replication.cluster import ClusterEngine
from diag.replication.embedded import EmbeddedEngine
from diag.replication.etcd_log import ETCD_LOG
from diag.replication.peer_client import Access, PeerTls
from diag.rpc.auth import HandshakeAuth
from diag.rpc.peer_auth import PeerAuth
from diag.rpc.peer_service import SERVICE as PEER_SERVICE
from diag.rpc.peer_service import PeerService
from diag.rpc.server import RpcServer, Tls
from diag.rpc.service import MetaService

_logger = logging.getLogger(__name__)

Engine: TypeAlias = EmbeddedEngine | ClusterEngine

# The committer and the event loop pass the interpreter lock for every batch: the default of 5 ms would be the
# latency of a write while the loop is busy.
SWITCH_INTERVAL = 0.0005


class Node:
    """One meta node. ``start`` raises MetaError with nothing left running; ``stop`` may be called once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._running = AsyncExitStack()
        self._slow = SlowRequests(config.admin.slow_ms / 1000)
        self._life = MemoryFromStart() if config.profiling.memory_from_start else None
        self.grpc_address = ""
        self.admin_address = ""

    @staticmethod
    def version() -> str:
        """The distribution's version."""
        return distribution_version("metadiag")

    async def start(self) -> None:
        """Serve. The bound addresses are in ``grpc_address`` and ``admin_address``."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        require_doors(self._config)
        self._guard = _guard(self._config)
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
        if self._life is not None:
            await self._begin(self._life.start, self._life.stop)
        engine = self._engine = self._make_engine()
        await self._begin(engine.start, engine.stop)
        log, store = engine.log, engine.store
        reader, hub, metrics, lag = Reader(store), WatchHub(store), Metrics(), LoopLag()
        self._running.callback(
            log.subscribe(lambda applied: hub.publish(applied.log_id.index, applied.changes))
        )
        lag.start()
        self._running.push_async_callback(lag.stop)
        watch = StandstillWatch(lag)
        door = Door()
        await self._start_rpc(engine, reader, hub, metrics, door)
        door.open(await self._start_admin(engine, reader, metrics, lag, watch))
        watch.start()  # not before: a start holds the loop, and nobody waits yet
        self._running.callback(watch.stop)

    def _make_engine(self) -> Engine:
        config = self._config
        node = _address_of(config)
        if config.raft_config.log_engine == "embedded":
            return EmbeddedEngine(config.raft_config, node, _clock_ms)
        return ClusterEngine(config.raft_config, node, _access(config), _clock_ms)

    async def _start_rpc(
        self, engine: Engine, reader: Reader, hub: WatchHub, metrics: Metrics, door: Door
    ) -> None:
        config = self._config
        password = config.auth.grpc_password
        handshakes = HandshakeAuth(password.get_secret_value() if password else None)
        server = RpcServer(
            MetaService(
                *(engine.log, reader, hub, handshakes, metrics, _clock_ms),
                version=self.version(),
                slow=self._slow,
            ),
            config.grpc_api_address,
            transport=config.grpc_transport,
            tls=_tls(config.grpc_tls_server_cert, config.grpc_tls_server_key),
            max_message_size=config.grpc_api_max_message_size,
        )
        if isinstance(engine, ClusterEngine):
            auth = _peer_auth(config.raft_config)
            auth.warn_if_open(config.grpc_api_address)
            peers = PeerService(
                source=engine.source,
                log=engine.log,
                snapshots=engine.snapshots,
                membership=engine.membership,
                admin=door,
                auth=auth,
            )
            server.add(PEER_SERVICE, peers.handlers(), peers.stop)
        host, _ = _split(config.grpc_api_address)
        self.grpc_address = f"{host}:{await server.start()}"
        self._running.push_async_callback(server.stop)

    async def _start_admin(
        self, engine: Engine, reader: Reader, metrics: Metrics, lag: LoopLag, watch: StandstillWatch
    ) -> Tunnel:
        config, log = self._config, engine.log
        lock, turns, live, history = ProfileLock(), Turns(), Live(), History(metrics, lag)
        history.start()
        self._running.push_async_callback(history.stop)
        profilers = Profilers(lock, turns=turns, life=self._life)
        keeper = self._make_keeper(load_of(metrics, lag))
        windows = self._make_windows()
        always = Always(config.profiling, windows, turns, keeper, metrics, lag)
        data_dir = config.raft_config.raft_dir
        cluster = engine if isinstance(engine, ClusterEngine) else None
        course = _course(engine)
        await self._begin(course.start, course.stop)
        parts = Parts(
            log=log,
            registry=node_registry(
                *(log, metrics, lag, self.version(), source_hash()),
                peers=(lambda: peer_traffic(cluster.seen, config.raft_config.id)) if cluster else None,
                etcd=(lambda: etcd_figures(cluster.seen)) if cluster else None,
                profiling=always.figures if config.profiling.continuous else None,
            ),
            profilers=profilers,
            profile_lock=lock,
            keeper=keeper,
            windows=windows,
            history=history,
            live=live,
            guard=self._guard,
            slow=self._slow,
            checks=node_checks(
                *(log, lag, data_dir, reader.features),
                removed=cluster.removed if cluster else lambda: None,
            ),
            self_report=SelfReport(self._facts(engine, lag, watch, course)),
            redactor=Redactor([*secrets_of(config), *of_environment(os.environ)]),
            logs=_logs(config),
            config_text=lambda: show_config(config),
            features=reader.features,
            known_features=KNOWN_FEATURES,
            version=self.version(),
            grpc_address=self.grpc_address,
            peers=cluster.peers if cluster else None,
            membership=cluster.membership if cluster else None,
            etcd=cluster.member_facts if cluster else None,
            removed=cluster.removed if cluster else lambda: None,
        )
        host, port = _split(config.admin_api_address)
        app = create_app(parts)
        server = AdminServer(
            *(app, host, port),
            cert=config.admin_tls_server_cert,
            key=config.admin_tls_server_key,
            client_ca=config.admin.client_ca,
        )
        self.admin_address = f"{host}:{await server.start()}"
        self._running.push_async_callback(server.stop)
        self._running.push_async_callback(live.close)
        self._running.push_async_callback(profilers.close)
        if config.profiling.continuous:
            await self._begin(always.start, always.close)
        else:
            with contextlib.suppress(StoreError):  # what an earlier run kept, where it can be read
                await asyncio.to_thread(windows.load)
        tunnel = Tunnel(app)
        self._running.push_async_callback(tunnel.close)
        return tunnel

    def _facts(self, engine: Engine, lag: LoopLag, watch: StandstillWatch, course: Course) -> Sources:
        """What the doctor reads of this node."""
        config, raft = self._config, self._config.raft_config
        common = Sources(
            log=engine.log,
            lag=lag,
            watch=watch,
            course=course,
            memory_followed=self._life.follows if self._life else lambda: False,
            version=self.version(),
            clock_ms=_clock_ms,
            configured=_address_of(config),
            tokens=self._guard.tokens_fault,
            directories=(raft.raft_dir, config.file_log().dir),
            snapshot_every=raft.snapshot_logs_since_last,
        )
        if not isinstance(engine, ClusterEngine):
            return common

        async def etcd(within: float) -> Etcd:
            quota = raft.etcd_quota_bytes
            return await etcd_facts(engine.client, engine.member_state, engine.seen, quota, within)

        return replace(common, etcd=etcd, failed=lambda: _why_not_serving(engine))

    def _make_keeper(self, load: Callable[[float], Load]) -> Keeper:
        raft, limits = self._config.raft_config, self._config.profiling
        shelf = Shelf(raft.raft_dir / PROFILES_DIR, limits.keep_count, limits.keep_bytes)
        shelf.clean()
        return Keeper(shelf, node_id=raft.id, version=self.version(), load=load)

    def _make_windows(self) -> Windows:
        raft, limits = self._config.raft_config, self._config.profiling
        return Windows(raft.raft_dir / WINDOWS_DIR, limits.continuous_hours, limits.continuous_bytes)

    async def _begin(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        await start()
        self._running.push_async_callback(stop)


def source_hash() -> str:
    """Names the code that runs: a hash of this package's sources, 12 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _logs(config: Config) -> dict[str, Path]:
    """The log files that this node and its etcd member write."""
    own = log_file(config)
    files = {} if own is None else {"node": own}
    if config.raft_config.log_engine == "etcd":
        files["etcd"] = config.raft_config.raft_dir / ETCD_DIR / ETCD_LOG
    return files


def _course(engine: Engine) -> Course:
    """The course of the node, as the doctor tells it."""
    if not isinstance(engine, ClusterEngine):
        return Course(Standing)
    return Course(
        lambda: standing_of(engine.seen, engine.member_state, engine.log.handed_over),
        lambda: etcd_memory(engine.member_state),
    )


def _why_not_serving(engine: ClusterEngine) -> str | None:
    failed = engine.log.failed
    return engine.removed() or (str(failed.result()) if failed.done() else None)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _tls(cert: str, key: str) -> Tls | None:
    return Tls(Path(cert), Path(key)) if cert else None


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _guard(config: Config) -> Guard:
    admin = config.admin
    token = admin.token.get_secret_value() if admin.token else None
    return Guard(
        token,
        admin.token_file,
        tokens=TokensFile(admin.tokens_file) if admin.tokens_file else None,
        certificates={name: Role[word.upper()] for name, word in admin.client_roles.items()},
    )


def _access(config: Config) -> Access:
    """Nodes call each other with TLS where the gRPC port has it; they trust its certificate's authority."""
    raft = config.raft_config
    secret = raft.raft_secret.get_secret_value() if raft.raft_secret else None
    if not config.grpc_tls_server_cert:
        return Access(secret)
    authority = Path(raft.raft_tls_client_root_ca_cert or config.grpc_tls_server_cert)
    return Access(secret, PeerTls(authority.read_bytes(), raft.raft_tls_client_domain_name or None))


def _peer_auth(raft: RaftConfig) -> PeerAuth:
    return PeerAuth(raft.accepted_secrets(), strict=raft.raft_secret_strict)


def _address_of(config: Config) -> NodeAddress:
    raft = config.raft_config
    advertise = config.grpc_api_advertise_host
    if advertise is None and raft.log_engine != "embedded":
        advertise = raft.raft_advertise_host  # the other nodes must reach it
    return NodeAddress(
        node_id=raft.id,
        name=str(raft.id),
        raft_host=raft.raft_advertise_host,
        raft_port=raft.raft_api_port,
        grpc_advertise=f"{advertise}:{_split(config.grpc_api_address)[1]}" if advertise else None,
    )
