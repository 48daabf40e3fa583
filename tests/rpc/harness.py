"""A node's gRPC side, whole and real, in the test's own event loop; and ways to talk to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

import grpc
import grpc.aio
import pytest

from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.kv.watch import WatchHub
from diag.metrics.registry import Metrics
from diag.metrics.slow import SlowRequests
from diag.replication import NodeAddress
from diag.replication.local import LocalLog
from diag.rpc.auth import TOKEN_KEY, HandshakeAuth
from diag.rpc.client import MetaClient
from diag.rpc.server import RpcServer, Tls
from diag.rpc.service import MetaService
from diag.rpc.stubs import auth_pb2
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.stubs.meta_pb2_grpc import MetaServiceStub

Transport = Literal["nghttp2", "grpcio"]

BIG = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Clock:
    """A clock the test sets."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class RpcNode:
    """Everything behind one port; ``async with`` starts and stops it."""

    def __init__(
        self,
        directory: Path,
        transport: Transport,
        *,
        tls: Tls | None = None,
        max_events: int = 10_000,
        max_bytes: int = 16 << 20,
        slow: SlowRequests | None = None,
        password: str | None = None,
    ) -> None:
        self.transport = transport
        self.clock = Clock()
        self.auth = HandshakeAuth(password)
        self.metrics = Metrics()
        store = Store.open(directory / "store")
        self.hub = WatchHub(store, max_events=max_events, max_bytes=max_bytes)
        address = NodeAddress(0, "0", "127.0.0.1", 28103, "127.0.0.1:9191")
        self.log = LocalLog(store, address, SnapshotStore(directory / "snapshots"), self.clock)
        self.store = store
        self.service = MetaService(
            self.log, Reader(store), self.hub, self.auth, self.metrics, self.clock, slow=slow
        )
        self.server = RpcServer(self.service, "127.0.0.1:0", transport=transport, tls=tls)
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.log.start()
        self.log.subscribe(lambda applied: self.hub.publish(applied.log_id.index, applied.changes))
        self.port = await self.server.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.server.stop(0.2)
        await self.log.stop()

    @asynccontextmanager
    async def raw(self) -> "AsyncIterator[RawClient]":
        """Generated stubs on a channel without client-side limits, and a token."""
        async with grpc.aio.insecure_channel(self.endpoint, options=BIG) as channel:
            client = RawClient(channel)
            await client.login()
            yield client

    def client(self, **options: Any) -> MetaClient:
        return MetaClient([self.endpoint], **options)


class RawClient:
    """The wire as another implementation would speak it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.stub = MetaServiceStub(channel)  # type: ignore[no-untyped-call]
        self.token: tuple[tuple[str, bytes], ...] = ()

    async def login(
        self, version: int = 1_002_453, user: str = "root", password: str = "any"
    ) -> pb.HandshakeResponse:
        payload = auth_pb2.BasicAuth(username=user, password=password).SerializeToString()
        reply = await self.handshake(pb.HandshakeRequest(protocol_version=version, payload=payload))
        self.token = ((TOKEN_KEY, reply.payload),)
        return reply

    async def handshake(self, *requests: pb.HandshakeRequest) -> pb.HandshakeResponse:
        replies = [reply async for reply in self.stub.Handshake(iter(requests))]
        assert len(replies) == 1
        reply: pb.HandshakeResponse = replies[0]
        return reply

    async def transaction(self, request: pb.TxnRequest) -> pb.TxnReply:
        reply: pb.TxnReply = await self.stub.Transaction(request, metadata=self.token)
        return reply

    async def put(self, key: str, value: bytes = b"v") -> pb.TxnReply:
        return await self.transaction(pb.TxnRequest(if_then=[put_op(key, value)]))

    async def kv_api(self, text: str) -> str:
        reply = await self.stub.KvApi(pb.RaftRequest(data=text), metadata=self.token)
        assert reply.error == ""
        return str(reply.data)

    async def read_v1(self, text: str) -> list[pb.StreamItem]:
        replies = self.stub.KvReadV1(pb.RaftRequest(data=text), metadata=self.token)
        return [item async for item in replies]

    async def watching(self, **fields: Any) -> Any:
        """A watch whose registration is certain: its headers have come."""
        call = self.stub.Watch(pb.WatchRequest(**fields))
        await asyncio.wait_for(call.initial_metadata(), 10)
        return call

    async def bytes_call(self, method: str, payload: bytes) -> bytes:
        call: Any = self.channel.unary_unary(f"/meta.MetaService/{method}")
        answer: bytes = await call(payload, metadata=self.token)
        return answer


def put_op(key: str, value: bytes = b"v", **fields: Any) -> pb.TxnOp:
    return pb.TxnOp(put=pb.TxnPutRequest(key=key, value=value, **fields))


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status a call must end with, and its text."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call if hasattr(call, "__await__") else _drained(call))
    return caught.value.code(), caught.value.details() or ""


async def _drained(replies: Any) -> None:
    async for _ in replies:
        pass


async def some(replies: Any, count: int, seconds: float = 10.0) -> Sequence[Any]:
    """The next ``count`` messages of a stream that goes on."""
    async with asyncio.timeout(seconds):
        return [await replies.read() for _ in range(count)]
