"""What a node says about itself, its cluster and its caller (wire protocol, 5.7)."""

from urllib.parse import unquote

from diag.errors import Unavailable
from diag.replication import ClusterStatus, LogId, NodeAddress
from diag.rpc.stubs import meta_pb2 as pb

DATA_VERSION = "V004"


def member_list(status: ClusterStatus) -> pb.MemberListReply:
    """The client address of every node, "" for one that publishes none."""
    return pb.MemberListReply(
        data=[node.grpc_advertise or "" for node in (*status.voters, *status.non_voters)]
    )


def cluster_status(status: ClusterStatus, version: str) -> pb.ClusterStatus:
    """GetClusterStatus, from this node's live view."""
    message = pb.ClusterStatus(
        id=status.node.node_id,
        binary_version=version,
        data_version=DATA_VERSION,
        endpoint=f"{status.node.raft_host}:{status.node.raft_port}",
        raft_log_size=status.log_size,
        state=status.state,
        is_leader=status.state == "Leader",
        current_term=status.term,
        last_log_index=status.last_log_index,
        last_applied=_log_id(status.last_applied),
        replication={node_id: _log_id(log_id) for node_id, log_id in status.replication.items()},
        voters=[_node(node) for node in status.voters],
        non_voters=[_node(node) for node in status.non_voters],
        last_seq=status.last_seq,
        raft_log_status=pb.RaftLogStatus(wal_total_size=status.log_size),
    )
    if status.snapshot is not None:
        message.snapshot_last_log_id = _log_id(status.snapshot.log_id)
        message.snapshot_key_count = status.snapshot.key_count
    if status.purged is not None:
        message.purged = _log_id(status.purged)
    if status.leader is not None:
        message.leader = _node(status.leader)
    return message


def client_info(peer: str, now_ms: int) -> pb.ClientInfo:
    """The caller's ``ip:port`` as seen here, from gRPC's ``ipv4:1.2.3.4:5`` or ``ipv6:%5B::1%5D:5``."""
    scheme, _, address = peer.partition(":")
    if scheme not in ("ipv4", "ipv6"):
        raise Unavailable(f"the client's address is not known ({peer or 'none'}); connect over TCP")
    return pb.ClientInfo(client_addr=unquote(address), server_time=now_ms)


def _log_id(log_id: LogId) -> str:
    return f"T{log_id.term}-N{log_id.node_id}.{log_id.index}"


def _node(node: NodeAddress) -> str:
    return f"id={node.name} raft={node.raft_host}:{node.raft_port} grpc={node.grpc_advertise or ''}"
