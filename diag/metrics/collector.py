"""Joins what the process counted with what the ordered log knows, at the moment of the scrape."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from diag.metrics import names
from diag.metrics.delays import Histogram, Summary
from diag.metrics.lag import LoopLag
from diag.metrics.names import Family
from diag.metrics.others import EtcdCollector, PeerCollector, ProfilingCollector, ProfilingFigures
from diag.metrics.peers import PeerTraffic
from diag.metrics.registry import Metrics
from diag.metrics.samples import empty, labelled, sample_name
from diag.metrics.sources import Counters, Source, Status


def node_registry(
    log: Source,
    metrics: Metrics,
    lag: LoopLag,
    version: str,
    sha: str,
    *,
    peers: Callable[[], PeerTraffic] | None = None,
    etcd: Callable[[], Mapping[str, float]] | None = None,
    profiling: Callable[[], ProfilingFigures] | None = None,
) -> CollectorRegistry:
    """A registry of this node alone: its own families, and the process figures under their usual names.

    ``peers`` and ``etcd`` stand with an engine that has peers, and give what was last heard of them and of
    the node's etcd member, at once: a scrape waits for nobody. ``profiling`` stands with always-on profiling.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(log, metrics, lag, version, sha))
    if peers is not None:
        registry.register(PeerCollector(peers))
    if etcd is not None:
        registry.register(EtcdCollector(etcd))
    if profiling is not None:
        registry.register(ProfilingCollector(profiling))
    ProcessCollector(registry=registry)
    return registry


class NodeCollector(Collector):
    """Yields every family of ``names.ALL``. Call on the event loop thread."""

    def __init__(self, log: Source, metrics: Metrics, lag: LoopLag, version: str, sha: str) -> None:
        self._log = log
        self._metrics = metrics
        self._lag = lag
        self._version = {"component": "metasrv", "semver": version, "sha": sha}

    def describe(self) -> Iterator[Metric]:
        """Empty families, so that registering does not ask the log for its status."""
        for family in names.ALL:
            yield empty(family)

    def collect(self) -> Iterator[Metric]:
        self._metrics.fold()
        figures = self._figures()
        for family in names.PLAIN:
            yield _single(family, figures[family.name])
        version = empty(names.VERSION)
        version.add_sample(names.VERSION.name, self._version, 1)
        yield version
        counters = self._log.counters()
        yield labelled(names.STORE_WRITE_FAILED, counters.store_write_failed)
        yield labelled(names.STORE_READ_FAILED, counters.store_read_failed)
        yield labelled(names.REPLICATION_LAG, _replication_lag(self._log.status()))
        yield _summary(names.RPC_DELAY_SECONDS, self._metrics.delay_summary)
        yield _histogram(names.RPC_DELAY_MS, self._metrics.delay_all)
        yield _histogram(names.RPC_DELAY_READ_MS, self._metrics.delay_read)
        yield _histogram(names.RPC_DELAY_WRITE_MS, self._metrics.delay_write)

    def _figures(self) -> dict[str, float]:
        status = self._log.status()
        server = _cluster(status) | _snapshot(status) | _log_counts(self._log.counters())
        server |= {
            "read_failed": self._metrics.read_failed,
            "watchers": self._metrics.watchers,
            "loop_lag_seconds": self._lag.worst(),
        }
        return (
            {f"metasrv_server_{name}": float(value) for name, value in server.items()}
            | {f"metasrv_raft_storage_{n}": float(v) for n, v in _storage(self._log.counters()).items()}
            | {f"metasrv_meta_network_{n}": float(v) for n, v in _network(self._metrics).items()}
        )


def _cluster(status: Status) -> dict[str, float]:
    leader = status.leader
    return {
        "current_leader_id": leader.node_id if leader else 0,
        "is_leader": status.state == "Leader",
        "node_is_health": status.state in {"Leader", "Follower"},
        "proposals_applied": status.last_applied.index,
        "last_log_index": status.last_log_index,
        "last_seq": status.last_seq,
        "current_term": status.term,
        "keys": status.key_count,
        "db_size": status.db_size,
        "raft_log_size": status.log_size,
        "raft_log_wal_open_chunk_size": status.log_size,
    }


def _snapshot(status: Status) -> dict[str, float]:
    snapshot = status.snapshot
    primary, expire = (snapshot.key_count, snapshot.expire_count) if snapshot else (0, 0)
    return {
        "snapshot_key_count": primary + expire,
        "snapshot_primary_index_count": primary,
        "snapshot_expire_index_count": expire,
        "snapshot_data_size": snapshot.size if snapshot else 0,
    }


def _replication_lag(status: Status) -> dict[str, int]:
    if status.state != "Leader":
        return {}
    last = status.last_log_index
    return {str(node_id): max(0, last - position.index) for node_id, position in status.replication.items()}


def _log_counts(counters: Counters) -> dict[str, float]:
    return {
        "leader_changes": counters.leader_changes,
        "proposals_pending": counters.proposals_pending,
        "proposals_failed": counters.proposals_failed,
    }


def _storage(counters: Counters) -> dict[str, float]:
    return {
        "snapshot_building": counters.snapshot_building,
        "snapshot_written_entries": counters.snapshot_written_entries,
    }


def _network(metrics: Metrics) -> dict[str, float]:
    return {
        "sent_bytes": metrics.sent_bytes,
        "recv_bytes": metrics.recv_bytes,
        "req_inflights": metrics.req_inflights,
        "req_success": metrics.req_success,
        "req_failed": metrics.req_failed,
        "watch_initialization": metrics.watch_initialization,
        "watch_change": metrics.watch_change,
        "stream_get_item_sent": metrics.stream_items_sent["get"],
        "stream_mget_item_sent": metrics.stream_items_sent["mget"],
        "stream_list_item_sent": metrics.stream_items_sent["list"],
    }


def _single(family: Family, value: float) -> Metric:
    metric = empty(family)
    metric.add_sample(sample_name(family), {}, value)
    return metric


def _summary(family: Family, summary: Summary) -> Metric:
    metric = empty(family)
    for quantile, value in summary.quantiles():
        metric.add_sample(family.name, {"quantile": quantile}, value)
    metric.add_sample(f"{family.name}_sum", {}, summary.sum)
    metric.add_sample(f"{family.name}_count", {}, summary.count)
    return metric


def _histogram(family: Family, histogram: Histogram) -> Metric:
    metric = empty(family)
    buckets = histogram.buckets()
    for bound, count in buckets:
        metric.add_sample(f"{family.name}_bucket", {"le": bound}, count)
    metric.add_sample(f"{family.name}_sum", {}, histogram.sum_ms)
    metric.add_sample(f"{family.name}_count", {}, buckets[-1][1])
    return metric
