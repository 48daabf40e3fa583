"""What the course of a cluster's node is told of: its etcd process, and the others' connections to it."""

from diag.doctor.course import Standing, status_bytes
from diag.replication.etcd_member import MemberState
from diag.replication.view import Seen

ETCD = "the etcd process beside it"


def standing_of(seen: Seen, state: MemberState, handed_over: int) -> Standing:
    """Counts as this node's member and its supervisor have them; ``handed_over`` is its log's own."""
    nodes = {member_id: node_id for node_id, member_id in seen.member_of}
    peers = seen.facts.peers.items()
    return Standing(
        leader_changes=seen.facts.leader_changes,
        handed_over=handed_over,
        restarts=state.restarts,
        lost={nodes[member]: peer.lost for member, peer in peers if member in nodes},
    )


def etcd_memory(state: MemberState) -> dict[str, int]:
    """Bytes that it has in memory."""
    told = None if state.pid is None else status_bytes(str(state.pid), "VmRSS")
    return {} if told is None else {ETCD: told[0]}
