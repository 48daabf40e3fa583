"""The other nodes of the cluster, by id: one connection to each, while it is a member at that address."""

import asyncio
from collections.abc import Callable, Mapping

from diag.errors import NotFound, Unavailable
from diag.replication import Answer, Question
from diag.replication.peer_client import OPEN, Access, PeerClient


class GrpcPeers:
    """``Peers`` over gRPC. ``members`` gives the current ones: node id to gRPC address, None for one without.

    ``close`` it at the end.
    """

    def __init__(self, members: Callable[[], Mapping[int, str | None]], access: Access = OPEN) -> None:
        self._members = members
        self._access = access
        self._clients: dict[int, PeerClient] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def ask(self, node_id: int, question: Question) -> Answer:
        """What that node's admin API answers; how long to wait is the caller's to bound."""
        return await self.client(node_id).ask(question)

    def client(self, node_id: int) -> PeerClient:
        """The node's client, shared by all callers.

        NotFound for a node that is no member, Unavailable for one without an address.
        """
        members = self._members()
        self._forget_moved(members)
        if node_id not in members:
            raise NotFound(f"node {node_id} is not a member; the members are {sorted(members)}.")
        address = members[node_id]
        if not address:
            raise Unavailable(
                f"node {node_id} publishes no gRPC address and cannot be asked; "
                "set grpc_api_advertise_host there."
            )
        client = self._clients.get(node_id)
        if client is None:
            client = PeerClient(address, self._access, name=f"node {node_id} at {address}")
            self._clients[node_id] = client
        return client

    def others(self, this: int) -> list[PeerClient]:
        """The clients of all members that have an address, but ``this``; in the order of their ids."""
        members = self._members()
        return [self.client(node_id) for node_id in sorted(members) if node_id != this and members[node_id]]

    async def close(self) -> None:
        """Close the connections; calls under way fail."""
        self._forget_moved({})
        if self._closing:
            await asyncio.wait(self._closing)

    def _forget_moved(self, members: Mapping[int, str | None]) -> None:
        for node_id, client in list(self._clients.items()):
            if members.get(node_id) != client.address:
                del self._clients[node_id]
                task = asyncio.ensure_future(client.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
