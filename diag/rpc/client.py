"""Our own client of the meta service: sessions, retries and records, over any number of endpoints."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import grpc
import grpc.aio

from diag.errors import Unavailable
from diag.kv.commands import Deleted, Upsert, Upserted, WasPut
from diag.kv.records import Record
from diag.rpc.auth import PROTOCOL_VERSION, TOKEN_KEY
from diag.rpc.json_kv import parse_upserted, upsert_json
from diag.rpc.server import MAX_MESSAGE_SIZE
from diag.rpc.stubs import auth_pb2
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.stubs.meta_pb2_grpc import MetaServiceStub
from diag.rpc.translate import read_record

_RETRIED = frozenset((grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE))

#: How a call may end whose node goes away in the middle of it. A handshake is tried again after each of them.
_CUT_OFF = frozenset((grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL))

#: Seconds before the third attempt; longer before each one after it. The second is made at once.
_PAUSE = 0.1

Result = TypeVar("Result")


class WatchEvent(NamedTuple):
    """A change, or with ``initial`` a record that was there when the watch began."""

    key: str
    prev: Record | None
    current: Record | None
    initial: bool


class _Session(NamedTuple):
    endpoint: str
    stub: MetaServiceStub
    metadata: tuple[tuple[str, bytes], ...]


class MetaClient:
    """Calls one of ``endpoints`` (host:port), and the next one when it is unavailable.

    ``tls_ca`` (PEM) turns TLS on; ``tls_domain`` is the name the certificate carries, where that is
    not the host. ``timeout`` is seconds a call; watches and exports have none. A call is tried
    ``attempts`` times in all when the token is refused or the node unavailable, so a write may have
    been applied twice. Every method raises grpc.aio.AioRpcError, and ``watch`` Unavailable as well.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        username: str = "root",
        password: str = "",
        tls_ca: bytes | None = None,
        tls_domain: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
    ) -> None:
        if not endpoints:
            raise ValueError("a client needs at least one endpoint, host:port")
        self._endpoints = list(endpoints)
        self._credentials = auth_pb2.BasicAuth(username=username, password=password).SerializeToString()
        self._tls = None if tls_ca is None else grpc.ssl_channel_credentials(tls_ca)
        self._options: list[tuple[str, Any]] = [
            # Channels share connections by default, and a closed client's may still be on its way out.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),  # the server bounds all but a line of an export
            ("grpc.max_send_message_length", MAX_MESSAGE_SIZE),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 1000),  # what one attempt to connect is given
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        if tls_domain is not None:
            self._options.append(("grpc.ssl_target_name_override", tls_domain))
        self._timeout = timeout
        self._attempts = attempts
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._session: _Session | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> "MetaClient":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what runs and close the connections; the next call makes new ones."""
        self._session = None
        while self._channels:
            await self._channels.popitem()[1].close()

    async def get(self, key: str) -> Record | None:
        """The record of a key, None when it is absent."""
        return (await self.mget([key]))[0]

    async def mget(self, keys: Sequence[str]) -> list[Record | None]:
        """One entry for each key, in order."""

        async def call(session: _Session) -> list[Record | None]:
            requests = (pb.KvGetManyRequest(key=key) for key in keys)
            replies = session.stub.KvGetMany(requests, metadata=session.metadata, timeout=self._timeout)
            return [read_record(item.value) if item.HasField("value") else None async for item in replies]

        return await self._retry(call)

    async def list(self, prefix: str, limit: int | None = None) -> AsyncIterator[tuple[str, Record]]:
        """Keys that start with ``prefix``, in byte order, at most ``limit``."""
        request = pb.KvListRequest(prefix=prefix, limit=limit)
        async for item in self._stream("KvList", request):
            yield item.key, read_record(item.value)

    async def put(
        self, key: str, value: bytes, *, ttl_ms: int | None = None, expire_at: int | None = None
    ) -> WasPut:
        """Write a key. ``expire_at`` is in seconds, or in ms above 10^11; ``ttl_ms`` wins over it."""
        put = pb.TxnPutRequest(key=key, value=value, ttl_ms=ttl_ms, expire_at=expire_at)
        response = await self._one_operation(pb.TxnOp(put=put))
        return WasPut(key, _optional(response.put, "prev_value"), _optional(response.put, "current"))

    async def delete(self, key: str) -> Deleted:
        """Delete a key; ``success`` says whether it was there."""
        response = await self._one_operation(pb.TxnOp(delete=pb.TxnDeleteRequest(key=key)))
        return Deleted(key, response.delete.success, _optional(response.delete, "prev_value"))

    async def upsert(self, command: Upsert) -> Upserted:
        """KvApi's conditional write."""
        reply: pb.RaftReply = await self._unary("KvApi", pb.RaftRequest(data=upsert_json(command)))
        return parse_upserted(reply.data)

    async def transaction(self, request: pb.TxnRequest) -> pb.TxnReply:
        """Conditions and operations, all or nothing."""
        reply: pb.TxnReply = await self._unary("Transaction", request)
        return reply

    async def watch(
        self, key: str, key_end: str | None = None, *, initial_flush: bool = False, filter_type: int = 0
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes of ``key``, or of ``[key, key_end)``, until the caller leaves.

        Raises Unavailable, with the node's reason, when the node ends it or goes away. It is not begun
        anew: what changed in between would be missing, and nobody would know.
        """
        request = pb.WatchRequest(key=key, key_end=key_end, initial_flush=initial_flush)
        request.filter_type = filter_type  # type: ignore[assignment]  # an enum is a number here

        async def begin(session: _Session) -> tuple[Any, str]:
            replies = session.stub.Watch(request, metadata=session.metadata)
            await replies.wait_for_connection()
            return replies, session.endpoint

        replies, endpoint = await self._retry(begin)
        try:
            while (response := await replies.read()) is not grpc.aio.EOF:
                if response.HasField("event"):
                    event = response.event
                    prev, current = _optional(event, "prev"), _optional(event, "current")
                    yield WatchEvent(event.key, prev, current, response.is_initialization)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _CUT_OFF:
                raise
            raise Unavailable(
                f"the node at {endpoint} ended the watch or went away: {error.details()}"
            ) from error
        finally:
            replies.cancel()

    async def export(self, chunk_size: int = 32) -> AsyncIterator[str]:
        """The catalogue as lines of JSON; ``chunk_size`` lines travel in a message."""
        request = pb.ExportRequest(chunk_size=chunk_size)
        async for chunk in self._stream("ExportV1", request, endless=True):
            for line in chunk.data:
                yield line

    async def keys_layout(self, depth: int | None = None) -> AsyncIterator[tuple[str, int]]:
        """Key counts of the last snapshot by directory."""
        async for item in self._stream("SnapshotKeysLayout", pb.KeysLayoutRequest(depth=depth), endless=True):
            yield item.prefix, item.count

    async def member_list(self) -> Sequence[str]:
        """The cluster's client addresses, "" for a node that publishes none."""
        reply: pb.MemberListReply = await self._unary("MemberList", pb.MemberListRequest())
        return reply.data

    async def cluster_status(self) -> pb.ClusterStatus:
        """The called node's view of the cluster."""
        reply: pb.ClusterStatus = await self._unary("GetClusterStatus", pb.Empty())
        return reply

    async def client_info(self) -> pb.ClientInfo:
        """This client as the node sees it, and the node's time."""
        reply: pb.ClientInfo = await self._unary("GetClientInfo", pb.Empty())
        return reply

    async def _one_operation(self, operation: pb.TxnOp) -> pb.TxnOpResponse:
        return (await self.transaction(pb.TxnRequest(if_then=[operation]))).responses[0]

    async def _unary(self, method: str, request: Any) -> Any:
        async def call(session: _Session) -> Any:
            return await getattr(session.stub, method)(
                request, metadata=session.metadata, timeout=self._timeout
            )

        return await self._retry(call)

    async def _stream(self, method: str, request: Any, endless: bool = False) -> AsyncIterator[Any]:
        """A stream is tried again only while it has not begun: its caller has seen what came since."""

        async def call(session: _Session) -> tuple[Any, Any]:
            timeout = None if endless else self._timeout
            replies = getattr(session.stub, method)(request, metadata=session.metadata, timeout=timeout)
            return replies, await replies.read()

        replies, message = await self._retry(call)
        try:
            while message is not grpc.aio.EOF:
                yield message
                message = await replies.read()
        finally:
            replies.cancel()

    async def _retry(self, call: Callable[[_Session], Awaitable[Result]]) -> Result:
        for attempt in range(1, self._attempts + 1):
            session = self._session
            try:
                session = session or await self._connect()
                return await call(session)
            except grpc.aio.AioRpcError as error:
                retried = _RETRIED if session else _RETRIED | _CUT_OFF
                if error.code() not in retried or attempt == self._attempts:
                    raise
                self._leave(session, error.code())
                await asyncio.sleep(_PAUSE * (attempt - 1))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _connect(self) -> _Session:
        """A session with the first endpoint; calls that come together share it."""
        async with self._connecting:
            if self._session is None:
                endpoint = self._endpoints[0]
                stub = MetaServiceStub(self._channel(endpoint))  # type: ignore[no-untyped-call]
                request = pb.HandshakeRequest(protocol_version=PROTOCOL_VERSION, payload=self._credentials)
                replies = [reply async for reply in stub.Handshake(iter([request]), timeout=self._timeout)]
                self._session = _Session(endpoint, stub, ((TOKEN_KEY, replies[0].payload),))
            return self._session

    def _channel(self, endpoint: str) -> grpc.aio.Channel:
        channel = self._channels.get(endpoint)
        if channel is None:
            if self._tls is None:
                channel = grpc.aio.insecure_channel(endpoint, options=self._options)
            else:
                channel = grpc.aio.secure_channel(endpoint, self._tls, options=self._options)
            self._channels[endpoint] = channel
        return channel

    def _leave(self, session: _Session | None, code: grpc.StatusCode) -> None:
        """Forget a session that failed, unless another call replaced it; its channel stays for others."""
        if session is self._session:
            self._session = None
            if code in _CUT_OFF:
                self._endpoints.append(self._endpoints.pop(0))


def _optional(message: Any, field: str) -> Record | None:
    return read_record(getattr(message, field)) if message.HasField(field) else None
