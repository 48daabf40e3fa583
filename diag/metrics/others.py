"""The families that not every node has: about its peers, its etcd member, and always-on profiling."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from diag.metrics import names
from diag.metrics.peers import PeerTraffic
from diag.metrics.samples import empty, labelled, sample_name

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


class ProfilingFigures(NamedTuple):
    """``plain`` by the name of its family without the prefix, ``fired`` by trigger."""

    plain: Mapping[str, float]
    fired: Mapping[str, float]


class ProfilingCollector(Collector):
    """Yields ``names.PROFILING`` and the triggers that fired."""

    def __init__(self, figures: Callable[[], ProfilingFigures]) -> None:
        self._figures = figures

    def describe(self) -> Iterator[Metric]:
        for family in (*names.PROFILING, names.TRIGGERS_FIRED):
            yield empty(family)

    def collect(self) -> Iterator[Metric]:
        figures = self._figures()
        for family in names.PROFILING:
            metric = empty(family)
            value = figures.plain[family.name.removeprefix("metasrv_profiling_")]
            metric.add_sample(sample_name(family), {}, float(value))
            yield metric
        yield labelled(names.TRIGGERS_FIRED, figures.fired)


class PeerCollector(Collector):
    """Yields every family of ``names.RAFT_NETWORK``."""

    def __init__(self, traffic: Callable[[], PeerTraffic]) -> None:
        self._traffic = traffic

    def describe(self) -> Iterator[Metric]:
        for family in names.RAFT_NETWORK:
            yield empty(family)

    def collect(self) -> Iterator[Metric]:
        traffic = self._traffic()
        yield labelled(names.RAFT_NETWORK_ACTIVE_PEERS, traffic.active)
        yield labelled(names.RAFT_NETWORK_FAIL_CONNECT, traffic.lost)
        yield labelled(names.RAFT_NETWORK_SENT_BYTES, traffic.sent_bytes)
        yield labelled(names.RAFT_NETWORK_RECV_BYTES, traffic.recv_bytes)
        yield labelled(names.RAFT_NETWORK_SENT_FAILURES, traffic.sent_failures)


class EtcdCollector(Collector):
    """Yields one gauge a figure, by its name without a leading ``etcd_``."""

    def __init__(self, figures: Callable[[], Mapping[str, float]]) -> None:
        self._figures = figures

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is is known when it is asked for."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        for name, value in sorted(self._figures().items()):
            plain = _NOT_IN_A_NAME.sub("_", name.removeprefix("etcd_"))
            metric = Metric(f"{names.ETCD_PREFIX}{plain}", names.ETCD_HELP, "gauge")
            metric.add_sample(metric.name, {}, value)
            yield metric
