"""What a configuration says to the parts that are made of it."""

from pathlib import Path

from diag.admin.guard import Guard
from diag.admin.roles import Role
from diag.admin.tokens import TokensFile
from diag.config import Config
from diag.config.model import RaftConfig
from diag.kv.directory import ETCD_DIR
from diag.logs import log_file
from diag.replication import NodeAddress
from diag.replication.etcd_log import ETCD_LOG
from diag.replication.peer_client import Access, PeerTls
from diag.rpc.peer_auth import PeerAuth
from diag.rpc.server import Tls


def split(address: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def address_of(config: Config) -> NodeAddress:
    """The node as others see it."""
    raft = config.raft_config
    advertise = config.grpc_api_advertise_host
    if advertise is None and raft.log_engine != "embedded":
        advertise = raft.raft_advertise_host  # the other nodes must reach it
    return NodeAddress(
        node_id=raft.id,
        name=str(raft.id),
        raft_host=raft.raft_advertise_host,
        raft_port=raft.raft_api_port,
        grpc_advertise=f"{advertise}:{split(config.grpc_api_address)[1]}" if advertise else None,
    )


def grpc_tls(config: Config) -> Tls | None:
    """Of the gRPC port, where it has it."""
    cert = config.grpc_tls_server_cert
    return Tls(Path(cert), Path(config.grpc_tls_server_key)) if cert else None


def guard(config: Config) -> Guard:
    """Who may come in at the admin port."""
    admin = config.admin
    token = admin.token.get_secret_value() if admin.token else None
    return Guard(
        token,
        admin.token_file,
        tokens=TokensFile(admin.tokens_file) if admin.tokens_file else None,
        certificates={name: Role[word.upper()] for name, word in admin.client_roles.items()},
    )


def access(config: Config) -> Access:
    """Nodes call each other with TLS where the gRPC port has it; they trust its certificate's authority."""
    raft = config.raft_config
    secret = raft.raft_secret.get_secret_value() if raft.raft_secret else None
    if not config.grpc_tls_server_cert:
        return Access(secret)
    authority = Path(raft.raft_tls_client_root_ca_cert or config.grpc_tls_server_cert)
    return Access(secret, PeerTls(authority.read_bytes(), raft.raft_tls_client_domain_name or None))


def peer_auth(raft: RaftConfig) -> PeerAuth:
    """Which nodes may call this one."""
    return PeerAuth(raft.accepted_secrets(), strict=raft.raft_secret_strict)


def log_files(config: Config) -> dict[str, Path]:
    """The files that this node and its etcd member write."""
    own = log_file(config)
    files = {} if own is None else {"node": own}
    if config.raft_config.log_engine == "etcd":
        files["etcd"] = config.raft_config.raft_dir / ETCD_DIR / ETCD_LOG
    return files
