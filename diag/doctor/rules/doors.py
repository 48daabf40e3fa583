"""Whether those come in who should, and no others; and whether there is room for them."""

from collections.abc import Iterator
from typing import Final

from diag.doctor.facts import Cluster
from diag.doctor.finding import Finding

#: As many connections as the gRPC port takes; each is a file.
FEW_FILES: Final = 4096


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


def few_files(cluster: Cluster) -> Iterator[Finding]:
    """A hard limit of open files below what the ports take: a node raises its soft limit no further."""
    for node in cluster.nodes.values():
        if 0 < node.most_files < FEW_FILES:
            yield Finding(
                name="few_files",
                severity="warning",
                node=node.node_id,
                says=f"Node {node.node_id} may have {node.most_files:,} files open, its connections among "
                f"them, and the gRPC port alone takes {FEW_FILES:,} connections; beyond it, clients are not "
                "let in and profiles fail.",
                evidence=(f"its hard limit of open files (RLIMIT_NOFILE) is {node.most_files:,}",),
                next="LimitNOFILE=65536 in its systemd unit, or ulimit -Hn 65536 before it; start it again",
            )
