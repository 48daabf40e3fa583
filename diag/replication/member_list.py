"""The members as etcd tells them at its peer address: to anyone, from any member, a learner's included.

A learner's member answers no such question of a client. Each member carries its node's gRPC address.
"""

import httpx

from diag.errors import Unavailable
from diag.replication.etcd_flags import EtcdSpec
from diag.replication.etcd_wire import Member

_SECONDS = 3.0


class MemberList:
    """Asks peer addresses (host:port) of the cluster that ``spec`` is a member of."""

    def __init__(self, spec: EtcdSpec) -> None:
        tls = spec.tls
        self._spec = spec
        self._http = (
            httpx.AsyncClient(timeout=_SECONDS, trust_env=False)
            if tls is None
            else httpx.AsyncClient(timeout=_SECONDS, trust_env=False, verify=tls.ca, cert=(tls.cert, tls.key))
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def at(self, address: str) -> tuple[Member, ...]:
        """As the member there knows them. Unavailable when none answers."""
        try:
            answer = await self._http.get(f"{self._spec.peer_url(address)}/members")
            return tuple(
                Member(
                    one["id"],
                    one.get("name", ""),
                    tuple(one["peerURLs"]),
                    one.get("isLearner", False),
                    tuple(one.get("clientURLs") or ()),
                )
                for one in answer.raise_for_status().json()
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as failure:
            raise Unavailable(
                f"at {address} no raft port of a cluster node answers ({failure or type(failure).__name__})."
            ) from None
