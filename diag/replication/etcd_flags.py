"""The command line of a supervised etcd member. What is pinned here is what the log was tested with.

Not on it, on purpose: the initial corrupt check. With it every member asks the others for
a hash before it serves, so members started together after an outage wait 7 s for each other.
Automatic compaction stays off too: only the log knows what its snapshots already hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from diag.config.model import RaftConfig
from diag.kv.directory import ETCD_DIR

MAX_REQUEST_BYTES = 16 * 1024 * 1024
#: etcd insists on advertising an address to clients.
_NOWHERE = "http://127.0.0.1:0"


@dataclass(frozen=True)
class PeerTls:
    """Files of the certificate, key and CA that members show and ask of each other."""

    cert: str
    key: str
    ca: str


@dataclass(frozen=True)
class EtcdSpec:
    """One member as its node wants it. Addresses are ``host:port``; intervals are milliseconds."""

    name: str
    data_dir: Path
    listen: str
    advertise: str
    cluster: str
    initial_members: Mapping[str, str]  # name -> advertised address, this one included
    existing: bool = False  # joins a cluster that runs already
    quota_bytes: int = 2 * 1024**3
    heartbeat_ms: int = 100
    election_ms: int = 1000
    tls: PeerTls | None = None
    node_address: str = ""  # where the node of this member is reached by gRPC
    token: str = ""  # of a new cluster, drawn for it: a second one of the same name must not be taken for it

    def peer_url(self, address: str) -> str:
        """``address`` as etcd names a member."""
        return f"{'https' if self.tls else 'http'}://{address}"


def spec_of(
    raft: RaftConfig, initial_members: Mapping[str, str], *, existing: bool = False, node_address: str = ""
) -> EtcdSpec:
    """The member of the node that ``raft`` configures; its name is the node's id in decimal."""
    tls = PeerTls(raft.etcd_peer_cert, raft.etcd_peer_key, raft.etcd_peer_ca) if raft.etcd_peer_cert else None
    return EtcdSpec(
        name=str(raft.id),
        data_dir=raft.raft_dir.absolute() / ETCD_DIR,
        listen=_address(raft.raft_listen_host, raft.raft_api_port),
        advertise=_address(raft.raft_advertise_host, raft.raft_api_port),
        cluster=raft.cluster_name,
        initial_members=initial_members,
        existing=existing,
        quota_bytes=raft.etcd_quota_bytes,
        heartbeat_ms=raft.etcd_heartbeat_interval,
        election_ms=raft.etcd_election_timeout,
        tls=tls,
        node_address=node_address,
    )


def is_member(data_dir: Path) -> bool:
    """Whether an etcd has begun in ``data_dir``: it goes on there, and neither founds nor joins a cluster."""
    return (data_dir / "member").exists()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def flags(spec: EtcdSpec, version: tuple[int, int, int], client_url: str) -> list[str]:
    """Arguments for an etcd of ``version`` that serves its node at ``client_url``."""
    members = ",".join(f"{name}={spec.peer_url(address)}" for name, address in spec.initial_members.items())
    values = {
        "name": spec.name,
        "data-dir": str(spec.data_dir),
        "listen-peer-urls": spec.peer_url(spec.listen),
        "initial-advertise-peer-urls": spec.peer_url(spec.advertise),
        "listen-client-urls": client_url,
        # Nobody else reaches the member itself, so it advertises its node.
        "advertise-client-urls": f"http://{spec.node_address}" if spec.node_address else _NOWHERE,
        "initial-cluster": members,
        "initial-cluster-state": "existing" if spec.existing else "new",
        "initial-cluster-token": spec.token or spec.cluster,
        "pre-vote": "true",
        "snapshot-count": "10000",
        "max-request-bytes": str(MAX_REQUEST_BYTES),
        "quota-backend-bytes": str(spec.quota_bytes),
        "auto-compaction-retention": "0",
        "heartbeat-interval": str(spec.heartbeat_ms),
        "election-timeout": str(spec.election_ms),
        "logger": "zap",
        "log-outputs": "stderr",
    } | _versioned(version)
    if spec.tls:
        values |= {
            "peer-cert-file": spec.tls.cert,
            "peer-key-file": spec.tls.key,
            "peer-trusted-ca-file": spec.tls.ca,
            "peer-client-cert-auth": "true",
        }
    return [f"--{name}={value}" for name, value in values.items()]


def _versioned(version: tuple[int, int, int]) -> dict[str, str]:
    """3.6 gave the experimental flags their final names, and hides what 3.5 still shows."""
    if version >= (3, 6, 0):
        return {"feature-gates": "CompactHashCheck=true,InitialCorruptCheck=false"}
    return {
        "experimental-compact-hash-check-enabled": "true",
        "experimental-initial-corrupt-check": "false",
        "enable-v2": "false",
    }
