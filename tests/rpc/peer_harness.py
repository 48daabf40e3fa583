"""A node as the other nodes of its cluster see it: real servers on loopback, over a log in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from diag.errors import Compacted, Conflict, MetaError
from diag.kv.snapshot import SnapshotStore
from diag.replication import Answer, Joined, Joining, Question
from diag.replication.peer_client import OPEN, Access, PeerClient
from diag.replication.peer_source import PeerSource
from diag.replication.source import Entry, Head
from diag.rpc.peer_auth import PeerAuth
from diag.rpc.peer_service import SERVICE, PeerService
from diag.rpc.server import Tls
from tests.rpc.harness import RpcNode, Transport


class MemoryLog:
    """A ``LogSource`` whose faults the test sets. Revisions begin at 11."""

    name = "memory"

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.failure: MetaError | None = None  # of append and head
        self.broken: MetaError | None = None  # of tails
        self.compacted = 0
        self.frozen = False  # whether tails bring nothing
        self.stuck = False  # whether the head is never told
        self.tails = 0
        self.taken = 0  # entries that tails have handed on
        self._grown = asyncio.Event()

    async def append(self, record: bytes) -> int:
        if self.failure is not None:
            raise self.failure
        number = len(self.entries) + 1
        self.entries.append(Entry(number, 10 + number, record))
        self.wake()
        return 10 + number

    async def head(self) -> Head:
        if self.stuck:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        number = len(self.entries)
        return Head(number, 10 + number if number else 0, 3, 2 if number else None)

    async def tail(self, revision: int) -> AsyncIterator[Sequence[Entry]]:
        if revision < self.compacted:
            raise Compacted(f"the log begins at {self.compacted}", self.compacted)
        self.tails += 1
        at = max(revision - 11, 0)
        try:
            while True:
                if self.broken is not None:
                    raise self.broken
                if at < len(self.entries) and not self.frozen:
                    self.taken += 1
                    yield self.entries[at : at + 1]
                    at += 1
                else:
                    self._grown.clear()
                    await self._grown.wait()
        finally:
            self.tails -= 1

    def wake(self) -> None:
        self._grown.set()


class Members:
    """A ``Membership`` in memory."""

    def __init__(self) -> None:
        self.nodes: dict[int, Joining] = {}
        self.promoted: list[int] = []

    async def join(self, node: Joining) -> Joined:
        held = self.nodes.setdefault(node.node_id, node)
        if held != node:
            raise Conflict(f"node {node.node_id} is {held.name}")
        urls = ",".join(f"{each.name}=http://{each.raft_address}" for each in self.nodes.values())
        return Joined("west", "token-7", urls)

    async def promote(self, node_id: int) -> None:
        self.promoted.append(node_id)

    async def remove(self, node_id: int) -> None:
        self.nodes.pop(node_id, None)


class Admin:
    """An admin API: says what it was asked, or whatever body the test gives it."""

    def __init__(self) -> None:
        self.body: AsyncIterator[bytes] | None = None
        self.stuck = False  # whether it never answers
        self.working = 0

    async def __call__(self, question: Question) -> Answer:
        self.working += 1
        try:
            return await self._answer(question)
        finally:
            self.working -= 1

    async def _answer(self, question: Question) -> Answer:
        if self.stuck:
            await asyncio.Event().wait()
        said = f"{question.method} {question.path} {dict(question.headers)}".encode()
        return Answer(203, {"content-type": "text/plain"}, self.body or _once(said))


async def _once(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


class PeerNode(RpcNode):
    """An ``RpcNode`` with the service between nodes on its port."""

    def __init__(
        self, directory: Path, transport: Transport, *, auth: PeerAuth | None = None, tls: Tls | None = None
    ) -> None:
        super().__init__(directory, transport, tls=tls)
        self.source = MemoryLog()
        self.members = Members()
        self.admin = Admin()
        self.snapshots = SnapshotStore(directory / "snapshots")
        self.peer_service = PeerService(
            source=self.source,
            log=self.log,
            snapshots=self.snapshots,
            membership=self.members,
            admin=self.admin,
            auth=auth or PeerAuth([]),
        )
        self.server.add(SERVICE, self.peer_service.handlers(), self.peer_service.stop)
        self._clients: list[PeerClient] = []

    async def __aexit__(self, *exc_info: object) -> None:
        for client in self._clients:
            await client.close()
        await super().__aexit__(*exc_info)

    def peer(self, access: Access = OPEN, *, seconds: float = 10.0) -> PeerClient:
        client = PeerClient(self.endpoint, access, seconds=seconds)
        self._clients.append(client)
        return client

    def peer_source(self, *, silence: float = 10.0) -> PeerSource:
        return PeerSource(self.peer(), silence=silence)
