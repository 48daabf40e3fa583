"""Whether the nodes are where the cluster says they are."""

from collections.abc import Iterator

from diag.doctor.facts import Address, Cluster
from diag.doctor.finding import Finding


def mismatch(cluster: Cluster) -> Iterator[Finding]:
    """A node whose configured addresses are not those that the cluster gives to others and to clients."""
    for node in cluster.nodes.values():
        listed = next((one for one in cluster.own.members if one.node_id == node.node_id), None)
        if listed is None:
            continue
        wrong = tuple(_differences(node.own, listed))
        if wrong:
            yield Finding(
                name="address_mismatch",
                severity="critical",
                node=node.node_id,
                says=f"Node {node.node_id} is configured for another address than the cluster gives out.",
                evidence=wrong,
                next=f"give node {node.node_id} the advertised address again, or let it join anew under "
                f"its new one: diag leave --leave-id {node.node_id}, empty its raft_dir, diag join",
            )


def of_another(cluster: Cluster) -> Iterator[Finding]:
    """An address at which another node answers than the cluster says."""
    for node_id, node in cluster.nodes.items():
        if node.node_id != node_id:
            yield Finding(
                name="address_of_another",
                severity="critical",
                node=node_id,
                says=f"At the address of node {node_id} node {node.node_id} answers.",
                evidence=(f"it calls itself node {node.node_id}, raft {node.own.raft}",),
                next="diag nodes; then correct grpc_api_advertise_host of both nodes",
            )


def _differences(own: Address, listed: Address) -> Iterator[str]:
    if own.raft != listed.raft:
        yield f"raft: configured {own.raft}, advertised {listed.raft}"
    if own.grpc != listed.grpc:
        yield f"gRPC: configured {own.grpc or 'none'}, advertised {listed.grpc or 'none'}"
