"""The admin side of a node: its API, and what works for it all the time."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

import diag
from diag.admin.always import Always
from diag.admin.app import Parts, create_app
from diag.admin.checks import node_checks
from diag.admin.dashboard.live import Live
from diag.admin.load import load_of
from diag.admin.server import AdminServer
from diag.config import Config, secrets_of, show_config
from diag.doctor.course import Course
from diag.doctor.self_report import SelfReport
from diag.kv.apply import KNOWN_FEATURES
from diag.metrics.collector import node_registry
from diag.metrics.history import History
from diag.metrics.peers import etcd_figures, peer_traffic
from diag.profilers.apart import Apart
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.profilers.lock import ProfileLock
from diag.profilers.shelf import PROFILES_DIR, Shelf
from diag.profilers.turns import Turns
from diag.profilers.windows import WINDOWS_DIR, Windows
from diag.redact import Redactor, of_environment
from diag.wiring.doctor import course_of, sources_of
from diag.wiring.inside import Inside, version
from diag.wiring.settings import log_files, split


@dataclass(frozen=True)
class Work:
    """What is to be started, and is told of by the API."""

    history: History
    course: Course
    live: Live
    lock: ProfileLock
    profilers: Profilers
    apart: Apart
    keeper: Keeper
    windows: Windows
    always: Always


def work_of(inside: Inside) -> Work:
    """Of this node."""
    config, metrics, lag = inside.config, inside.metrics, inside.lag
    lock, turns, apart = ProfileLock(), Turns(), Apart()
    keeper, windows = _keeper(inside, apart), _windows(config)
    return Work(
        history=History(metrics, lag),
        course=course_of(inside.cluster),
        live=Live(),
        lock=lock,
        profilers=Profilers(lock, turns=turns, life=inside.life),
        apart=apart,
        keeper=keeper,
        windows=windows,
        always=Always(config.profiling, windows, turns, keeper, metrics, lag),
    )


def admin_app(inside: Inside, work: Work, grpc_address: str) -> FastAPI:
    """The API on it all."""
    config, log, cluster = inside.config, inside.engine.log, inside.cluster
    removed = cluster.removed if cluster else lambda: None
    parts = Parts(
        log=log,
        registry=_registry(inside, work.always),
        profilers=work.profilers,
        profile_lock=work.lock,
        keeper=work.keeper,
        apart=work.apart,
        windows=work.windows,
        history=work.history,
        live=work.live,
        guard=inside.guard,
        slow=inside.slow,
        checks=node_checks(
            *(log, inside.lag, config.raft_config.raft_dir, inside.reader.features), removed=removed
        ),
        self_report=SelfReport(sources_of(inside, work.course)),
        redactor=Redactor([*secrets_of(config), *of_environment(os.environ)]),
        logs=log_files(config),
        config_text=lambda: show_config(config),
        features=inside.reader.features,
        known_features=KNOWN_FEATURES,
        version=version(),
        grpc_address=grpc_address,
        peers=cluster.peers if cluster else None,
        membership=cluster.membership if cluster else None,
        etcd=cluster.member_facts if cluster else None,
        removed=removed,
    )
    return create_app(parts)


def admin_server(config: Config, app: FastAPI) -> AdminServer:
    """Serves the API where the configuration says."""
    return AdminServer(
        *(app, *split(config.admin_api_address)),
        cert=config.admin_tls_server_cert,
        key=config.admin_tls_server_key,
        client_ca=config.admin.client_ca,
    )


def _registry(inside: Inside, always: Always) -> CollectorRegistry:
    config, cluster = inside.config, inside.cluster
    return node_registry(
        *(inside.engine.log, inside.metrics, inside.lag, version(), _source_hash()),
        peers=(lambda: peer_traffic(cluster.seen, config.raft_config.id)) if cluster else None,
        etcd=(lambda: etcd_figures(cluster.seen)) if cluster else None,
        profiling=always.figures if config.profiling.continuous else None,
    )


def _keeper(inside: Inside, apart: Apart) -> Keeper:
    raft, limits = inside.config.raft_config, inside.config.profiling
    shelf = Shelf(raft.raft_dir / PROFILES_DIR, limits.keep_count, limits.keep_bytes)
    shelf.clean()
    load = load_of(inside.metrics, inside.lag)
    return Keeper(shelf, node_id=raft.id, version=version(), load=load, apart=apart)


def _windows(config: Config) -> Windows:
    limits = config.profiling
    directory = config.raft_config.raft_dir / WINDOWS_DIR
    return Windows(directory, limits.continuous_hours, limits.continuous_bytes)


def _source_hash() -> str:
    """Names the code that runs: a hash of this package's sources, 12 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(Path(str(diag.__file__)).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
