"""A real node behind a real uvicorn: store, ordered log, profilers, and the admin app over them."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from diag.admin.app import Parts, create_app
from diag.admin.checks import node_checks
from diag.admin.dashboard.live import Live
from diag.admin.guard import Guard
from diag.admin.load import load_of
from diag.admin.server import AdminServer
from diag.doctor.course import Course, Standing
from diag.doctor.self_report import SelfReport, Sources
from diag.doctor.standstill import StandstillWatch
from diag.kv.apply import KNOWN_FEATURES
from diag.kv.commands import MatchSeq, Upsert
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.metrics.collector import node_registry
from diag.metrics.history import History
from diag.metrics.lag import LoopLag
from diag.metrics.registry import Metrics
from diag.metrics.slow import SlowRequests
from diag.profilers.apart import Apart
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.profilers.lock import ProfileLock
from diag.profilers.shelf import PROFILES_DIR, Shelf
from diag.profilers.windows import WINDOWS_DIR, Windows
from diag.redact import Redactor
from diag.replication import Membership, NodeAddress, Peers
from diag.replication.local import LocalLog

TOKEN = "a-token-of-the-tests"
NODE = NodeAddress(1, "1", "localhost", 28103, None)


@dataclass
class Served:
    """What a test sees of the node."""

    app: FastAPI
    http: httpx.AsyncClient
    port: int
    log: LocalLog
    metrics: Metrics
    profilers: Profilers
    lock: ProfileLock
    shelf: Shelf
    windows: Windows
    course: Course
    history: History
    live: Live
    slow: SlowRequests

    async def put(self, key: str, value: bytes) -> None:
        await self.log.propose(Upsert(key, MatchSeq(), value))

    def from_elsewhere(self) -> httpx.AsyncClient:
        """A client whose connection comes from another machine."""
        transport = httpx.ASGITransport(self.app, client=("10.0.0.9", 1))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@contextlib.asynccontextmanager
async def serving(
    directory: Path,
    *,
    node: NodeAddress = NODE,
    kind: type[LocalLog] = LocalLog,
    peers: Peers | None = None,
    membership: Membership | None = None,
    keep_count: int = 200,
    keep_bytes: int = 64 << 20,
    guard: Guard | None = None,
    apart: Apart | None = None,
) -> AsyncIterator[Served]:
    """A node at ``directory`` with a log of ``kind``."""
    store = Store.open(directory / "store")
    log = kind(store, node, SnapshotStore(directory / "snapshots"), lambda: time.time_ns() // 10**6)
    await log.start()
    reader, metrics, lag, lock = Reader(store), Metrics(), LoopLag(), ProfileLock()
    lag.start()
    watch, course = StandstillWatch(lag), Course(Standing)
    watch.start()
    course.start()
    history, live = History(metrics, lag), Live()
    profilers = Profilers(lock)
    shelf = Shelf(directory / PROFILES_DIR, keep_count, keep_bytes)
    shelf.clean()
    windows = Windows(directory / WINDOWS_DIR, 24, 64 << 20)
    windows.load()
    slow, apart = SlowRequests(0.1), apart or Apart()
    parts = Parts(
        log=log,
        registry=node_registry(log, metrics, lag, "0.1.0", "abcdef"),
        profilers=profilers,
        profile_lock=lock,
        keeper=Keeper(shelf, node_id=node.node_id, version="0.1.0", load=load_of(metrics, lag), apart=apart),
        apart=apart,
        windows=windows,
        history=history,
        live=live,
        guard=guard or Guard(TOKEN),
        slow=slow,
        checks=node_checks(log=log, lag=lag, data_dir=directory, read_store=reader.features),
        self_report=SelfReport(
            Sources(
                log=log,
                lag=lag,
                watch=watch,
                course=course,
                version="0.1.0",
                clock_ms=lambda: time.time_ns() // 10**6,
                configured=node,
                directories=(directory,),
                snapshot_every=1024,
            )
        ),
        redactor=Redactor([TOKEN]),
        logs={"node": directory / "node.log"},
        config_text=lambda: 'admin_api_address = "127.0.0.1:28101"\n',
        features=reader.features,
        known_features=KNOWN_FEATURES,
        version="0.1.0",
        grpc_address="127.0.0.1:9191",
        peers=peers,
        membership=membership,
    )
    app = create_app(parts)
    server = AdminServer(app, "127.0.0.1", 0)
    port = await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        yield Served(
            *(app, http, port, log, metrics, profilers, lock, shelf, windows, course, history, live, slow)
        )
    await live.close()
    await profilers.close()
    await server.stop()
    await course.stop()
    watch.stop()
    await lag.stop()
    await log.stop()
    store.close()
