"""What a node's etcd member sends to and hears from each other member, by the nodes they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diag.replication.view import Seen

#: A peer as labels: its id, and its raft address.
Peer = tuple[str, str]


@dataclass(frozen=True)
class PeerTraffic:
    """Counts since the member's start, by the id of the peer. ``active`` is 1 while they are connected."""

    sent_bytes: Mapping[str, int] = field(default_factory=dict)
    recv_bytes: Mapping[str, int] = field(default_factory=dict)
    sent_failures: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[Peer, int] = field(default_factory=dict)
    active: Mapping[Peer, int] = field(default_factory=dict)


def peer_traffic(seen: Seen, this: int) -> PeerTraffic:
    """Of the cluster as node ``this`` last saw it; a node that is no member any more is not in it."""
    nodes = [node for node in seen.nodes if node.node_id != this]
    told = {node: seen.facts.peers.get(seen.member(node.node_id) or 0) for node in nodes}
    known = {node: peer for node, peer in told.items() if peer is not None}
    labels = {node: (str(node.node_id), f"{node.raft_host}:{node.raft_port}") for node in nodes}
    return PeerTraffic(
        sent_bytes={labels[node][0]: peer.sent_bytes for node, peer in known.items()},
        recv_bytes={labels[node][0]: peer.received_bytes for node, peer in known.items()},
        sent_failures={labels[node][0]: peer.sent_failures for node, peer in known.items()},
        lost={labels[node]: peer.lost for node, peer in known.items()},
        active={labels[node]: peer.active for node, peer in known.items()},
    )


def etcd_figures(seen: Seen) -> Mapping[str, float]:
    """Numbers of this node's member under etcd's own names, in seconds and bytes."""
    facts = seen.facts
    return {
        "db_size_bytes": seen.db_size,
        "quota_bytes": facts.quota_bytes,
        "leader_changes": facts.leader_changes,
        "proposals_pending": facts.proposals_pending,
        "proposals_failed": facts.proposals_failed,
        "slow_applies": facts.slow_applies,
        "wal_fsync_count": facts.wal_fsync.count,
        "wal_fsync_seconds": facts.wal_fsync.seconds,
        "backend_commit_count": facts.backend_commit.count,
        "backend_commit_seconds": facts.backend_commit.seconds,
    }
