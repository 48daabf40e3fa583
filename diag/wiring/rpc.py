"""The gRPC side of a node: the meta service, and in a cluster what nodes call on each other."""

from diag.admin.door import Door
from diag.kv.watch import WatchHub
from diag.replication.cluster import ClusterEngine
from diag.rpc.auth import HandshakeAuth
from diag.rpc.peer_service import SERVICE as PEER_SERVICE
from diag.rpc.peer_service import PeerService
from diag.rpc.server import RpcServer
from diag.rpc.service import MetaService
from diag.wiring.inside import Inside, clock_ms, version
from diag.wiring.settings import grpc_tls, peer_auth


def rpc_server(inside: Inside, hub: WatchHub, door: Door) -> RpcServer:
    """``door`` is where other nodes reach the admin API, once it is open."""
    config = inside.config
    server = RpcServer(
        _meta_service(inside, hub),
        config.grpc_api_address,
        transport=config.grpc_transport,
        tls=grpc_tls(config),
        max_message_size=config.grpc_api_max_message_size,
    )
    if inside.cluster is not None:
        peers = _peer_service(inside, inside.cluster, door)
        server.add(PEER_SERVICE, peers.handlers(), peers.stop)
    return server


def _meta_service(inside: Inside, hub: WatchHub) -> MetaService:
    password = inside.config.auth.grpc_password
    handshakes = HandshakeAuth(password.get_secret_value() if password else None)
    return MetaService(
        *(inside.engine.log, inside.reader, hub, handshakes, inside.metrics, clock_ms),
        version=version(),
        slow=inside.slow,
    )


def _peer_service(inside: Inside, cluster: ClusterEngine, door: Door) -> PeerService:
    auth = peer_auth(inside.config.raft_config)
    auth.warn_if_open(inside.config.grpc_api_address)
    return PeerService(
        source=cluster.source,
        log=cluster.log,
        snapshots=cluster.snapshots,
        membership=cluster.membership,
        admin=door,
        auth=auth,
    )
