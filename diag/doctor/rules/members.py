"""Who is there: a majority, everybody, and nobody far behind."""

from collections.abc import Iterator
from typing import Final

from diag.doctor.facts import Cluster
from diag.doctor.finding import Finding

#: Entries behind the furthest log, from which on a node is told to lag.
LAG_ENTRIES: Final = 1000

_LEADS: Final = "; they name it as their leader"
#: Only its own node reaches an etcd member's socket, so nobody else can have it hand leadership over.
_AS_LEADER: Final = (
    "on its machine: diag status. If it answers there, diag transfer hands leadership over; if not, end its "
    "process (a frozen one by kill -9), so that another leads, and start it again: diag serve -c ITS_FILE"
)


def no_quorum(cluster: Cluster) -> Iterator[Finding]:
    """No node that answered knows a leader: nothing can be written."""
    if any(node.leader is not None for node in cluster.nodes.values()):
        return
    voters = [voter.node_id for voter in cluster.own.voters]
    needed = len(voters) // 2 + 1
    up = [node_id for node_id in voters if node_id in cluster.nodes]
    missing = ", ".join(str(node_id) for node_id in voters if node_id not in cluster.nodes)
    says = (
        f"The cluster has no leader and takes no writes: {len(up)} of its {len(voters)} voters answer, "
        f"{needed} are needed."
    )
    remedy = f"start node {missing} again: diag serve -c ITS_FILE" if missing else "diag status --node all"
    evidence = [f"node {node.node_id}: {node.state} in term {node.term}" for node in cluster.nodes.values()]
    evidence += [f"node {node_id}: {reason}" for node_id, reason in cluster.silent.items()]
    yield Finding(
        name="no_quorum", severity="critical", node=None, says=says, evidence=tuple(evidence), next=remedy
    )


def cut_off(cluster: Cluster) -> Iterator[Finding]:
    """A node that knows no leader while others have one."""
    leaders = {node.leader for node in cluster.nodes.values() if node.leader is not None}
    for node in cluster.nodes.values():
        if leaders and node.leader is None:
            yield Finding(
                name="cut_off",
                severity="critical",
                node=node.node_id,
                says=f"Node {node.node_id} knows no leader while others have one; it is cut off from them.",
                evidence=(f"it is a {node.state} in term {node.term}; the others' leader: {min(leaders)}",),
                next=f"does the leader's raft port answer its machine? diag status --node {node.node_id}",
            )


def silent_node(cluster: Cluster) -> Iterator[Finding]:
    """A member that does not answer, or not as a node of this version would."""
    leader = _leader(cluster)
    for node_id, reason in cluster.silent.items():
        address = next((one for one in cluster.own.members if one.node_id == node_id), None)
        where = f" at {address.grpc}" if address is not None and address.grpc else ""
        yield Finding(
            name="silent_node",
            severity="critical",
            node=node_id,
            says=f"Node {node_id} does not answer the others{where}{_LEADS if node_id == leader else ''}.",
            evidence=(reason,),
            next=_AS_LEADER
            if node_id == leader
            else f"on its machine: diag doctor --raft-dir ITS_RAFT_DIR (stopped), diag status (running); "
            f"a node lost for good: diag leave --leave-id {node_id}",
        )


def _leader(cluster: Cluster) -> int | None:
    """Whom the nodes that answered name, in the latest term."""
    naming = [node for node in cluster.nodes.values() if node.leader is not None]
    return max(naming, key=lambda node: node.term).leader if naming else None


def stopped_serving(cluster: Cluster) -> Iterator[Finding]:
    """A node that runs and has given up, or was taken out."""
    for node in cluster.nodes.values():
        if node.failed is not None:
            yield Finding(
                name="stopped_serving",
                severity="critical",
                node=node.node_id,
                says=f"Node {node.node_id} runs and serves no more.",
                evidence=(node.failed,),
                next="curl 'http://ITS_ADMIN_ADDRESS/readyz?verbose'; then start it again as told",
            )


def lagging_node(cluster: Cluster) -> Iterator[Finding]:
    """A node that has not applied what others have."""
    furthest = max((node.last_log_index for node in cluster.nodes.values()), default=0)
    for node in cluster.nodes.values():
        behind = max(furthest, node.last_log_index) - node.applied
        if behind > LAG_ENTRIES:
            yield Finding(
                name="lagging_node",
                severity="warning",
                node=node.node_id,
                says=f"Node {node.node_id} is {behind} entries behind; its reads wait meanwhile.",
                evidence=(f"applied {node.applied}, the furthest log ends at {furthest}",),
                next=f"diag nodes, again in a minute; diag profile cpu --node {node.node_id} -o cpu.svg",
            )
