"""Facts of a healthy cluster of three, for tests that change one thing."""

from typing import Any

from diag.doctor.facts import Address, Cluster, Disk, Etcd, Held, NodeFacts, Offset, Writing

GIB = 1 << 30
NOW = 1_800_000_000_000


def address(node_id: int) -> Address:
    return Address(node_id=node_id, raft=f"meta-{node_id}:28103", grpc=f"meta-{node_id}:9191")


def facts(node_id: int, **changes: Any) -> NodeFacts:
    """Of a healthy node; node 1 leads."""
    voters = tuple(address(each) for each in (1, 2, 3))
    fields: dict[str, Any] = {
        "node_id": node_id,
        "name": str(node_id),
        "version": "0.1.0",
        "now_ms": NOW,
        "clustered": True,
        "state": "Leader" if node_id == 1 else "Follower",
        "term": 3,
        "leader": 1,
        "last_log_index": 5000,
        "applied": 5000,
        "own": address(node_id),
        "voters": voters,
        "snapshot": Held(index=4096, created_ms=NOW - 60_000, content_hash="ab" * 32),
        "snapshot_every": 1024,
        "disks": (Disk(path="/var/lib/meta", free=50 * GIB, total=100 * GIB),),
        "writing": Writing(tries=5, median=0.002, longest=0.004),
        "etcd": Etcd(phase="ready", version="3.5.30", db_size=10 << 20, quota=2 * GIB),
        "threads": 12,
        "sampling_hz": 166,
    }
    return NodeFacts(**{**fields, **changes})


def etcd(**changes: Any) -> Etcd:
    """Of a healthy member."""
    return Etcd(**{"phase": "ready", "version": "3.5.30", "db_size": 10 << 20, "quota": 2 * GIB, **changes})


def cluster(
    *changed: NodeFacts, silent: dict[int, str] | None = None, offsets: dict[int, Offset] | None = None
) -> Cluster:
    """Three nodes, some of them as given; node 1 asked. Who is silent told nothing."""
    nodes = {node_id: facts(node_id) for node_id in (1, 2, 3)}
    nodes |= {node.node_id: node for node in changed}
    for node_id in silent or {}:
        del nodes[node_id]
    near = {node_id: Offset(-0.01, 0.01) for node_id in nodes}
    return Cluster(1, nodes, silent or {}, near | (offsets or {}))
