"""Nodes, log ids and status as JSON: the contract's fields, and those of the current upstream service.

Where upstream's form of a field differs from the contract's, the object holds
both: a log id has ``term`` beside ``leader_id``, a node ``grpc_api_addr``
beside ``grpc_api_advertise_address``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from diag.replication import ClusterStatus, LogId, NodeAddress, SnapshotFacts

#: Upstream's name for the form of its exported data, which ours is compatible with.
DATA_VERSION = "V004"


class Views:
    """``version`` is this program's; ``grpc_address`` is where this node listens for clients.

    ``etcd`` gives facts of the node's etcd member, as values that JSON has; ``removed`` says what to do once
    the cluster has taken this node out.
    """

    def __init__(
        self,
        version: str,
        grpc_address: str,
        etcd: Callable[[], Mapping[str, Any]] | None = None,
        removed: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._version = version
        self._grpc_address = grpc_address
        self._etcd = etcd
        self._removed = removed

    def node(self, node: NodeAddress, this: NodeAddress) -> dict[str, Any]:
        """One node, told by the node ``this``."""
        own = self._grpc_address if node.node_id == this.node_id else ""
        return {
            "name": node.name,
            "endpoint": {"addr": node.raft_host, "port": node.raft_port},
            "grpc_api_addr": node.grpc_advertise or own,
            "grpc_api_advertise_address": node.grpc_advertise,
        }

    def nodes(self, status: ClusterStatus) -> list[dict[str, Any]]:
        """All members, voters first."""
        return [self.node(node, status.node) for node in (*status.voters, *status.non_voters)]

    def status(self, status: ClusterStatus) -> dict[str, Any]:
        """``/v1/cluster/status``. A node that was taken out follows nobody."""
        reason = self._removed()
        if reason is not None:
            # The last look at the cluster may be older than the removal.
            status = replace(status, state="Candidate", leader=None)
        this = status.node
        held = status.snapshot
        is_leader = status.state == "Leader"
        return {
            "id": this.node_id,
            "name": this.name,
            "binary_version": self._version,
            "data_version": DATA_VERSION,
            "endpoint": f"{this.raft_host}:{this.raft_port}",
            "db_size": status.db_size,
            "raft_log": _raft_log(status.log_size),
            "key_count": status.key_count,
            "snapshot_key_count": held.key_count + held.expire_count if held else 0,
            "state": status.state,
            "is_leader": is_leader,
            "current_term": status.term,
            "last_log_index": status.last_log_index,
            "last_applied": log_id(status.last_applied),
            "snapshot": snapshot(held) if held else None,
            "snapshot_last_log_id": log_id(held.log_id) if held else None,
            "purged": log_id(status.purged) if status.purged else None,
            "leader": self.node(status.leader, this) if status.leader else None,
            "replication": _replication(status) if is_leader else None,
            "replication_lag": _replication_lag(status) if is_leader else None,
            "voters": [self.node(node, this) for node in status.voters],
            "non_voters": [self.node(node, this) for node in status.non_voters],
            "last_seq": status.last_seq,
            **({"etcd": dict(self._etcd())} if self._etcd else {}),
            **({"removed": reason} if reason is not None else {}),
        }


def log_id(position: LogId) -> dict[str, Any]:
    """A log id in both forms at once."""
    return {
        "term": position.term,
        "index": position.index,
        "leader_id": {"term": position.term, "node_id": position.node_id},
    }


def snapshot(facts: SnapshotFacts) -> dict[str, Any]:
    """What a node holds as its last snapshot; sizes in bytes."""
    return {
        "last_log_id": log_id(facts.log_id),
        "path": str(facts.path),
        "key_count": facts.key_count,
        "expire_count": facts.expire_count,
        "size": facts.size,
        "content_hash": facts.content_hash,
        "created_ms": facts.created_ms,
        "seconds": facts.seconds,
    }


def _replication(status: ClusterStatus) -> dict[str, Any]:
    return {str(node_id): log_id(position) for node_id, position in sorted(status.replication.items())}


def _replication_lag(status: ClusterStatus) -> dict[str, int]:
    """Entries of the log that each node has not yet applied, as the leader knows it."""
    return {
        str(node_id): max(0, status.last_log_index - position.index)
        for node_id, position in sorted(status.replication.items())
    }


def _raft_log(size: int) -> dict[str, Any]:
    """Upstream's shape: this engine's log is one open chunk, without a cache of entries."""
    return {
        "cache_items": 0,
        "cache_used_size": 0,
        "wal_total_size": size,
        "wal_open_chunk_size": size,
        "wal_offset": size,
        "wal_closed_chunk_count": 0,
        "wal_closed_chunk_total_size": 0,
        "wal_closed_chunk_sizes": {},
    }
