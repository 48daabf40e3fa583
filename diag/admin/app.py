"""The admin app: a value built from the parts it is handed, with nothing of its own behind it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CollectorRegistry

from diag.admin import (
    bundles,
    cluster,
    control,
    doctor,
    errors,
    health,
    hot,
    kept,
    kept_changes,
    log_tail,
    login,
    members,
    openapi,
    operation,
    profiles,
    ranges,
    slow,
    vitals,
)
from diag.admin.audit import Audit
from diag.admin.background import Background
from diag.admin.bundles import Bundles
from diag.admin.checks import Check
from diag.admin.dashboard import router as dashboard
from diag.admin.dashboard.asking import Asking
from diag.admin.dashboard.live import Live
from diag.admin.dashboard.nodes import Nodes
from diag.admin.dashboard.overview_page import OverviewPage
from diag.admin.dashboard.shell import Shell
from diag.admin.dashboard.site import Site
from diag.admin.draw import Renderer
from diag.admin.guard import Guard
from diag.admin.named_tasks import NamedTasks
from diag.admin.relay import Relay
from diag.admin.response_headers import ResponseHeaders
from diag.admin.starts import Starts
from diag.admin.tunnel import Tunnel
from diag.admin.views import Views
from diag.doctor.self_report import SelfReport
from diag.metrics.history import History
from diag.metrics.slow import SlowRequests
from diag.profilers.apart import Apart
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.profilers.lock import ProfileLock
from diag.profilers.windows import Windows
from diag.redact import Redactor
from diag.replication import Membership, OrderedLog, Peers, Question


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the routes read and act on. All are used on the event loop that serves the app.

    ``apart`` is the keeper's too: all large profiles take their turns there. ``redactor`` takes secrets out
    of texts, and ``logs`` are the files there are, by whose they are. ``live`` must be closed before the
    server stops. ``peers``, ``membership`` and ``etcd``, facts of the node's etcd member for its status,
    stand with an engine that has them.
    """

    log: OrderedLog
    registry: CollectorRegistry
    profilers: Profilers
    profile_lock: ProfileLock
    keeper: Keeper
    apart: Apart
    windows: Windows
    history: History
    live: Live
    guard: Guard
    slow: SlowRequests
    checks: Sequence[Check]
    self_report: SelfReport
    redactor: Redactor
    logs: Mapping[str, Path]
    config_text: Callable[[], str]
    features: Callable[[], Sequence[str]]
    known_features: Sequence[str]
    version: str
    grpc_address: str
    peers: Peers | None = None
    membership: Membership | None = None
    etcd: Callable[[], Mapping[str, Any]] | None = None
    removed: Callable[[], str | None] = lambda: None


def create_app(parts: Parts) -> FastAPI:
    """The app; its lifespan ends what its requests left running. Every route has its rule in ``rules``."""
    background = Background()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        background.spawn(_make_ready(own, site), name="first page")
        yield
        await background.close()
        made.forget()
        await own.close()

    # No OpenAPI pages: they load scripts from elsewhere. FastAPI's own document knows no parameter of ours.
    app = FastAPI(
        lifespan=lifespan, openapi_url=None, redirect_slashes=False, dependencies=[Depends(parts.guard)]
    )
    errors.install(app)
    app.add_middleware(NamedTasks)
    app.add_middleware(Audit)
    app.add_middleware(ResponseHeaders)
    own = Tunnel(app)
    views = Views(parts.version, parts.grpc_address, parts.etcd, parts.removed)
    relay, renderer, site = Relay(parts.log, parts.peers), Renderer(parts.apart), Site()
    app.include_router(health.router(parts.checks))
    app.include_router(login.router(parts.guard, site))
    app.include_router(cluster.router(parts.log, views, parts.registry, parts.config_text, relay))
    app.include_router(control.router(parts.log, background, relay, parts.features, parts.known_features))
    app.include_router(members.router(parts.log, parts.membership))
    app.include_router(profiles.router(parts.profilers, parts.keeper, relay, renderer))
    starts = Starts(background)
    app.include_router(ranges.router(parts.windows, relay, renderer, parts.apart))
    app.include_router(kept.router(parts.keeper, starts, relay, renderer))
    app.include_router(kept_changes.router(parts.profilers, parts.keeper, starts, relay))
    app.include_router(operation.router(parts.log, parts.profilers, parts.keeper, relay, renderer))
    app.include_router(doctor.router(relay, parts.self_report))
    made = Bundles(relay, own, background, parts.redactor, parts.version)
    app.include_router(bundles.router(made, relay))
    app.include_router(log_tail.router(parts.logs, parts.redactor, relay))
    app.include_router(hot.router(parts.profilers, relay))
    shelf = parts.keeper.shelf
    vital = vitals.vitals_of(parts.log, views, parts.history, lambda: shelf.changes + starts.changes)
    app.include_router(vitals.router(vital, parts.history, relay))
    app.include_router(_dashboard(parts, relay, vital, site, Asking(app)))
    app.include_router(slow.router(parts.slow, relay))
    app.include_router(openapi.router(parts.version))
    return app


async def _make_ready(own: Tunnel, site: Site) -> None:
    """What whoever comes first would wait for, on a busy node a fifth of a second."""
    # FastAPI puts a route together when a request first comes by it; one for nothing comes by all of them.
    answer = await own(Question("GET", "/nothing-is-here", {}))
    async for _ in answer.body:
        pass
    await site.prepare()


def _dashboard(parts: Parts, relay: Relay, vital: vitals.Vitals, site: Site, asking: Asking) -> APIRouter:
    nodes = Nodes(relay, vital, parts.history)
    shell = Shell(nodes, site)
    overview = OverviewPage(
        shell=shell,
        nodes=nodes,
        live=parts.live,
        relay=relay,
        log=parts.log,
        lock=parts.profile_lock,
        windows=parts.windows,
    )
    return dashboard.router(shell, overview, asking)
