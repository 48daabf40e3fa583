"""As which member a node starts: the one that it was, the first of a new cluster, or one that joins.

A store that cannot go on there is refused before anything is asked of the cluster, and so is an address in
use: a second start of a node that runs would have the first taken out of the cluster.
"""

import asyncio
import secrets
import socket
from dataclasses import replace

from diag.config.model import RaftConfig
from diag.errors import Unavailable
from diag.replication import Joining, NodeAddress
from diag.replication.beginning import check_founder, check_joiner, check_member
from diag.replication.etcd_flags import EtcdSpec, is_member, spec_of
from diag.replication.joining import check_joined, join
from diag.replication.peer_client import Access
from diag.replication.state import State


async def spec_at_start(
    raft: RaftConfig, node: NodeAddress, access: Access, state: State, patience: float
) -> EtcdSpec:
    """Raises ConfigError, Damaged for a store of another history, Unavailable after ``patience`` seconds."""
    own = spec_of(raft, {str(raft.id): _raft_address(node)}, node_address=node.grpc_advertise or "")
    if is_member(own.data_dir):
        await check_joined(
            raft.join, own, lambda cluster: state.check(lambda store: check_member(store, cluster))
        )
        return own
    if not raft.join:
        await asyncio.to_thread(state.check, check_founder)
        return replace(own, token=f"{raft.cluster_name}-{secrets.token_hex(8)}")
    _check_unused(raft)
    return await _joined(raft, node, access, state, patience, own)


async def _joined(
    raft: RaftConfig, node: NodeAddress, access: Access, state: State, patience: float, own: EtcdSpec
) -> EtcdSpec:
    this = Joining(
        raft.id,
        str(raft.id),
        _raft_address(node),
        node.grpc_advertise or "",
        raft.learner,
        raft.cluster_name,
    )
    joined = await join(
        *(raft.join, this, own, access, patience),
        lambda cluster: state.check(lambda store: check_joiner(store, cluster)),
    )
    members = dict(entry.split("=", 1) for entry in joined.initial_cluster.split(","))
    addresses = {name: url.partition("://")[2] for name, url in members.items()}
    return replace(own, initial_members=addresses, existing=True, cluster=joined.cluster_token)


def _raft_address(node: NodeAddress) -> str:
    return f"{node.raft_host}:{node.raft_port}"


def _check_unused(raft: RaftConfig) -> None:
    host = raft.raft_listen_host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, raft.raft_api_port))
    except OSError as error:
        raise Unavailable(
            f"{raft.raft_listen_host}:{raft.raft_api_port} cannot be used for raft: {error.strerror}; "
            f"does node {raft.id} run already? Else change raft_config.raft_listen_host or raft_api_port."
        ) from None
