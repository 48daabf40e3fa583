"""What a node is made of before anybody can reach it, which both of its APIs serve."""

import time
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from typing import TypeAlias

from diag.admin.guard import Guard
from diag.config import Config
from diag.doctor.standstill import StandstillWatch
from diag.kv.view import Reader
from diag.metrics.lag import LoopLag
from diag.metrics.registry import Metrics
from diag.metrics.slow import SlowRequests
from diag.profilers.lifelong import MemoryFromStart
from diag.replication.cluster import ClusterEngine
from diag.replication.embedded import EmbeddedEngine
from diag.wiring.settings import access, address_of

Engine: TypeAlias = EmbeddedEngine | ClusterEngine


@dataclass(frozen=True)
class Inside:
    """``engine`` has been started: its log and its store are there. ``life`` is None where none is asked."""

    config: Config
    engine: Engine
    reader: Reader
    metrics: Metrics
    lag: LoopLag
    watch: StandstillWatch
    slow: SlowRequests
    life: MemoryFromStart | None
    guard: Guard

    @property
    def cluster(self) -> ClusterEngine | None:
        """The engine, where it is a cluster's."""
        return self.engine if isinstance(self.engine, ClusterEngine) else None


def engine_of(config: Config) -> Engine:
    """The engine that the configuration asks for."""
    node = address_of(config)
    if config.raft_config.log_engine == "embedded":
        return EmbeddedEngine(config.raft_config, node, clock_ms)
    return ClusterEngine(config.raft_config, node, access(config), clock_ms)


def clock_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def version() -> str:
    """The distribution's."""
    return distribution_version("metadiag")
