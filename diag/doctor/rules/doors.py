"""Whether those come in who should, and no others."""

from collections.abc import Iterator

from diag.doctor.facts import Cluster
from diag.doctor.finding import Finding


def tokens_unread(cluster: Cluster) -> Iterator[Finding]:
    """A tokens file with a slip in it: what was changed since, a token taken out too, is not in force."""
    for node in cluster.nodes.values():
        if node.tokens is not None:
            yield Finding(
                name="tokens_unread",
                severity="warning",
                node=node.node_id,
                says=f"Node {node.node_id} cannot use its tokens file as it is now; the tokens that it read "
                "last stay in force, those that were taken out since too.",
                evidence=(node.tokens,),
                next="mend the file: it is read again by itself. A start with it as it is would fail",
            )
