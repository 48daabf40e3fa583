"""How things went lately: memory that grows, and what comes and goes."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from diag.doctor.facts import Cluster
from diag.doctor.finding import Finding

#: Bytes, and the share of what there was, by which memory must have grown.
GROWN_BYTES: Final = 64 << 20
GROWN_SHARE: Final = 0.25
#: So often in ten minutes is no coincidence.
OFTEN: Final = 3


def memory_growing(cluster: Cluster) -> Iterator[Finding]:
    """A process whose memory rises and rises."""
    for node in cluster.nodes.values():
        grown = node.growth
        if grown is None or not grown.steady:
            continue
        by = grown.last - grown.first
        if by < GROWN_BYTES or by < GROWN_SHARE * grown.first:
            continue
        holders = tuple(f"{holder}: {size / 2**20:+.0f} MiB" for holder, size in grown.holders)
        yield Finding(
            name="memory_growing",
            severity="warning",
            node=node.node_id,
            says=f"The memory of node {node.node_id} grows: by {by >> 20} MiB in "
            f"{grown.seconds / 60:.1f} min, to {grown.last >> 20} MiB{_mostly(grown.holders, by)}.",
            evidence=holders or (f"{grown.first >> 20} MiB before",),
            next=f"curl 'http://ADMIN_ADDRESS/debug/pprof/memory?mode=held&node={node.node_id}' -o held.svg"
            if node.memory_followed
            else f"diag profile heap --node {node.node_id} --mode leaks --seconds 30 -o leaks.svg",
        )


def flapping(cluster: Cluster) -> Iterator[Finding]:
    """A node that the others lose again and again, or whose etcd does not stay up."""
    lost: Counter[int] = Counter()
    for node in cluster.nodes.values():
        for node_id, times in node.lately.lost:
            lost[node_id] = max(lost[node_id], times)
    for node_id in sorted({*lost, *cluster.nodes}):
        node_facts = cluster.nodes.get(node_id)
        restarts = 0 if node_facts is None else node_facts.lately.restarts
        if max(restarts, lost[node_id]) < OFTEN:
            continue
        evidence = [f"others lost the connection to its etcd {lost[node_id]} times"]
        evidence += [f"its etcd was started again {restarts} times"] if restarts else []
        evidence += [] if node_facts is None or node_facts.etcd is None else [node_facts.etcd.last_failure]
        yield Finding(
            name="flapping_node",
            severity="warning",
            node=node_id,
            says=f"Node {node_id} comes and goes.",
            evidence=tuple(filter(None, evidence)),
            next="on its machine: tail RAFT_DIR/etcd/etcd.log; is it short of memory, or its network bad?",
        )


def leader_changes(cluster: Cluster) -> Iterator[Finding]:
    """A cluster that elects again and again: no write is taken meanwhile. What was ordered is no fault."""
    seen = max((node.lately.leader_changes for node in cluster.nodes.values()), default=0)
    ordered = sum(node.lately.handed_over for node in cluster.nodes.values())
    changes = seen - ordered
    if changes >= OFTEN:
        seconds = max(node.lately.seconds for node in cluster.nodes.values())
        aside = f", {ordered} more by order" if ordered else ""
        yield Finding(
            name="leader_changes",
            severity="warning",
            node=None,
            says=f"The leader changed {changes} times in {seconds / 60:.1f} min{aside}; "
            "writes wait meanwhile.",
            evidence=tuple(
                f"node {node.node_id} saw {node.lately.leader_changes}" for node in cluster.nodes.values()
            ),
            next="slow disks and networks cause it: see slow_fsync; raise raft_config.etcd_election_timeout",
        )


def _mostly(holders: tuple[tuple[str, int], ...], by: int) -> str:
    """Who holds most of it, if one holds half."""
    if holders and holders[0][1] >= by / 2:
        return f", mostly in {holders[0][0]}"
    return ", mostly outside small Python objects: in buffers, large objects or native code"
