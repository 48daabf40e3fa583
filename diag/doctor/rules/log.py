"""The cluster's log: the etcd members that keep it."""

from collections.abc import Iterator
from typing import Final

from diag.doctor.facts import Cluster, Etcd, NodeFacts
from diag.doctor.finding import Finding

#: Below it a linearizable read of etcd may be stale after a leader was paused.
FAITHFUL_READS: Final = (3, 5, 28)
_FULL: Final = 0.8


def etcd_down(cluster: Cluster) -> Iterator[Finding]:
    """A node whose etcd member does not answer it."""
    for node, etcd in _members(cluster):
        if etcd.unanswered is None:
            continue
        evidence = (f"{etcd.phase}, {etcd.restarts} restarts: {etcd.unanswered}", etcd.last_failure)
        yield Finding(
            name="etcd_down",
            severity="critical",
            node=node.node_id,
            says=f"The etcd member of node {node.node_id} does not answer; its log comes from other nodes.",
            evidence=tuple(filter(None, evidence)),
            next="on its machine: tail RAFT_DIR/etcd/etcd.log; is the process frozen, is the disk full?",
        )


def alarm(cluster: Cluster) -> Iterator[Finding]:
    """An alarm of etcd: NOSPACE stops all writes until it is taken back, CORRUPT is for ever."""
    raised = {(one.kind, one.node_id) for _, etcd in _members(cluster) for one in etcd.alarms}
    for kind, node_id in sorted(raised, key=str):
        whose = "a member without a node" if node_id is None else f"node {node_id}"
        yield Finding(
            name="log_alarm",
            severity="critical",
            node=node_id,
            says=f"etcd has raised the alarm {kind} of {whose}"
            + (": no node takes writes." if kind == "NOSPACE" else "."),
            evidence=tuple(
                f"node {node.node_id}: {etcd.db_size >> 20} MiB of a quota of {etcd.quota >> 20} MiB"
                for node, etcd in _members(cluster)
            ),
            next="diag snapshot (the log is then cut, and the alarm taken back within a minute); "
            "raise raft_config.etcd_quota_bytes"
            if kind == "NOSPACE"
            else f"diag leave --leave-id {node_id}, empty its raft_dir, diag join",
        )


def filling(cluster: Cluster) -> Iterator[Finding]:
    """A log that comes near its quota, where etcd refuses every write."""
    for node, etcd in _members(cluster):
        if etcd.quota and etcd.db_size >= _FULL * etcd.quota and not etcd.alarms:
            yield Finding(
                name="log_filling",
                severity="warning",
                node=node.node_id,
                says=f"The log of node {node.node_id} has used {etcd.db_size / etcd.quota:.0%} of its quota.",
                evidence=(f"{etcd.db_size} of {etcd.quota} bytes",),
                next="diag snapshot; and raise raft_config.etcd_quota_bytes",
            )


def old_etcd(cluster: Cluster) -> Iterator[Finding]:
    """An etcd without a fix that matters here."""
    for node, etcd in _members(cluster):
        version = _numbers(etcd.version)
        if version is not None and version < FAITHFUL_READS:
            yield Finding(
                name="old_etcd",
                severity="warning",
                node=node.node_id,
                says=f"The etcd of node {node.node_id} is older than {'.'.join(map(str, FAITHFUL_READS))}: "
                "its reads may be stale after a pause, so each is proven by a write, which is slower.",
                evidence=(f"etcd {etcd.version}",),
                next="make etcd, or name one with raft_config.etcd_binary, and start the node again",
            )


def _members(cluster: Cluster) -> Iterator[tuple[NodeFacts, Etcd]]:
    for node in cluster.nodes.values():
        if node.etcd is not None:
            yield node, node.etcd


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.partition("-")[0].split(".")
    return tuple(map(int, parts)) if len(parts) == 3 and all(part.isdecimal() for part in parts) else None
