"""How a new node becomes a member: it finds one of the cluster's nodes by a raft address, and asks it.

etcd tells its list of members to anyone who reaches a peer address; in it each member carries its node's
gRPC address.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from diag.errors import Damaged, MetaError, Unavailable
from diag.replication import Joined, Joining
from diag.replication.etcd_flags import EtcdSpec
from diag.replication.member_list import MemberList
from diag.replication.peer_client import Access, PeerClient

_PAUSE = 0.5
#: Seconds after which a reason that stays the same is told again.
_TELL_EVERY = 30.0

_log = logging.getLogger(__name__)


async def join(
    via: Sequence[str],
    node: Joining,
    spec: EtcdSpec,
    access: Access,
    patience: float,
    check: Callable[[bytes], None],
) -> Joined:
    """Ask the nodes behind the raft addresses ``via``, until one agrees or ``patience`` seconds are over.

    ``check`` is told the cluster's id before anything is asked of it, and may raise.
    Raises what a node refused with (Conflict), and Unavailable when none can be reached.
    """
    refusal: MetaError = Unavailable("no address was tried")
    waiting = Waiting(time.monotonic)
    try:
        async with asyncio.timeout(patience):
            while True:
                for address in via:
                    try:
                        grpc = await _nodes(address, spec, check)
                        return await _ask(address, node, grpc, access)
                    except Unavailable as failure:
                        refusal = failure
                        waiting.tell(address, str(failure))
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        raise Unavailable(
            f"No node behind {', '.join(via)} let this one join within {patience:g} s; the last one said: "
            f"{refusal} Give raft addresses (host:raft_api_port) of running members in raft_config.join."
        ) from None


async def check_joined(via: Sequence[str], spec: EtcdSpec, check: Callable[[bytes], None]) -> None:
    """A member that comes back asks nobody; what it was told to join must be its own cluster all the same.

    ``check`` is told the id of the cluster at each address of ``via`` that answers, and may raise Damaged.
    One that does not answer says nothing: they may all be starting.
    """
    members = MemberList(spec)
    try:
        found = await asyncio.gather(*map(members.cluster_at, via), return_exceptions=True)
    finally:
        await members.close()
    for address, cluster in zip(via, found, strict=True):
        if isinstance(cluster, bytes):
            try:
                check(cluster)
            except Damaged as refusal:
                raise Damaged(
                    f"raft_config.join names {address}, where another cluster is: {refusal}"
                ) from None
        elif not isinstance(cluster, Unavailable):
            raise cluster


class Waiting:
    """Tells an address's reason when it is new, and from time to time while it stays the same."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[str, tuple[str, float]] = {}

    def tell(self, address: str, reason: str) -> None:
        """``reason`` is why the node at ``address`` does not take this one."""
        now = self._clock()
        before, at = self._told.get(address, ("", -math.inf))
        if reason != before or now - at >= _TELL_EVERY:
            self._told[address] = (reason, now)
            _log.info("%s does not take this node yet: %s", address, reason)


async def _ask(address: str, node: Joining, nodes: Sequence[str], access: Access) -> Joined:
    failure: MetaError = Unavailable(f"the node at {address} publishes no gRPC address.")
    for grpc in nodes:
        client = PeerClient(grpc, access)
        try:
            return await client.join(node)
        except Unavailable as unavailable:
            failure = unavailable
        finally:
            await client.close()
    raise failure


async def _nodes(address: str, spec: EtcdSpec, check: Callable[[bytes], None]) -> list[str]:
    """The gRPC addresses of the members, by the one at a raft address."""
    members = MemberList(spec)
    try:
        check(await members.cluster_at(address))
        return [urlsplit(url).netloc for member in await members.at(address) for url in member.client_urls]
    finally:
        await members.close()
