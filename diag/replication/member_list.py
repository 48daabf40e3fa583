"""The members as etcd tells them at its peer address: to anyone, from any member, a learner's included.

A learner's member answers no such question of a client. Each member carries its node's gRPC address.
"""

import ssl

import httpx

from diag.errors import ConfigError, Unavailable
from diag.replication.etcd_flags import EtcdSpec, PeerTls
from diag.replication.etcd_wire import Member

_SECONDS = 3.0


class MemberList:
    """Asks peer addresses (host:port) of the cluster that ``spec`` is a member of."""

    def __init__(self, spec: EtcdSpec) -> None:
        self._spec = spec
        verify = True if spec.tls is None else _context(spec.tls)
        self._http = httpx.AsyncClient(timeout=_SECONDS, trust_env=False, verify=verify)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def at(self, address: str) -> tuple[Member, ...]:
        """As the member there knows them. Unavailable when none answers."""
        answer = await self._ask(address)
        try:
            return tuple(
                Member(
                    one["id"],
                    one.get("name", ""),
                    tuple(one["peerURLs"]),
                    one.get("isLearner", False),
                    tuple(one.get("clientURLs") or ()),
                )
                for one in answer.json()
            )
        except (ValueError, KeyError, TypeError) as failure:
            raise _no_node(address, failure) from None

    async def cluster_at(self, address: str) -> bytes:
        """The id of the cluster that the member there is in. Unavailable when none answers."""
        answer = await self._ask(address)
        try:
            return int(answer.headers["x-etcd-cluster-id"], 16).to_bytes(8, "big")
        except (ValueError, KeyError, OverflowError) as failure:
            raise _no_node(address, failure) from None

    async def _ask(self, address: str) -> httpx.Response:
        try:
            answer = await self._http.get(f"{self._spec.peer_url(address)}/members")
            return answer.raise_for_status()
        except (httpx.HTTPError, OSError) as failure:  # a refused certificate is the system's error
            raise _no_node(address, failure) from None


def _context(tls: PeerTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.load_cert_chain(tls.cert, tls.key)
    except OSError as failure:
        raise ConfigError(
            f"the certificate for the nodes' etcd members cannot be used ({failure}); check "
            "raft_config.etcd_peer_cert, etcd_peer_key and etcd_peer_ca"
        ) from None
    return context


def _no_node(address: str, failure: Exception) -> Unavailable:
    said = str(failure) or type(failure).__name__
    return Unavailable(f"at {address} no raft port of a cluster node answers ({said}).")
