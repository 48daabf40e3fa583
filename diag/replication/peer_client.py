"""The calls of one other node: a connection made at the first of them, deadlines, and errors of our tree.

A deadline is seconds a call; a stream has none, but ends when the node falls silent: the connection
is probed, so that a machine that vanished without a word is found out after some seconds.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import grpc
import grpc.aio

from diag.errors import NotInTime, Unavailable
from diag.kv.arrival import SnapshotOffer
from diag.replication import Answer, Joined, Joining, Question
from diag.replication.node_view import NodeView
from diag.replication.peer_errors import error_of
from diag.replication.peer_wire import MAX_MESSAGE, SECRET_KEY, SILENCE, read_offer
from diag.replication.stubs import peer_pb2 as pb
from diag.replication.stubs.peer_pb2_grpc import PeerStub

#: Changing the members waits for elections and for a cluster that takes one change at a time.
_MEMBERSHIP_SECONDS = 30.0

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.initial_reconnect_backoff_ms", 100),
    (
        "grpc.min_reconnect_backoff_ms",
        2000,
    ),  # how long an attempt to connect may take, whatever its name says
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


class PeerTls(NamedTuple):
    """The authority (PEM) that the nodes' certificates are of.

    ``domain`` is the name they carry, where that is not the host.
    """

    ca: bytes
    domain: str | None = None


class Access(NamedTuple):
    """How this node calls the others: the secret it shows, and TLS where their gRPC ports have it."""

    secret: str | None = None
    tls: PeerTls | None = None


#: No secret, no TLS.
OPEN = Access()


class PeerClient:
    """Calls the node at ``address`` (host:port). ``name`` is for messages; ``seconds`` is a call's deadline.

    Every method raises Unavailable when the node cannot be reached or does not answer in time, and what
    the node itself raised otherwise.
    """

    def __init__(self, address: str, access: Access = OPEN, *, name: str = "", seconds: float = 3.0) -> None:
        self.address = address
        self.name = name or f"the node at {address}"
        self._access = access
        self._seconds = seconds
        self._metadata = () if access.secret is None else ((SECRET_KEY, access.secret.encode()),)
        self._channel: grpc.aio.Channel | None = None

    async def close(self) -> None:
        """End what runs and close the connection; the next call makes a new one."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def status(self) -> NodeView:
        """The node's view of itself and the cluster."""
        return NodeView.from_json((await self.call("Status", pb.StatusRequest())).json)

    async def snapshots(self) -> list[SnapshotOffer]:
        """The snapshots it holds, newest first."""
        reply = await self.call("SnapshotFacts", pb.SnapshotFactsRequest())
        return [read_offer(item) for item in reply.snapshots]

    async def snapshot(self, offer: SnapshotOffer, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """The data file of one of them from ``offset`` on; NotFound when it does not hold it any more."""
        request = pb.SnapshotRequest(file_hash=offer.file_hash, offset=offset, **offer.position._asdict())
        stream = self.stream("Snapshot", request, SILENCE)
        try:
            while (chunk := await stream.read()) is not None:
                yield chunk.data
        finally:
            stream.cancel()

    async def ask(self, question: Question) -> Answer:
        """What its admin API answers, without a deadline.

        To cancel it, to close the body, or to drop it, ends the work there.
        """
        request = pb.AskRequest(method=question.method, path=question.path, headers=question.headers)
        stream = self.stream("Ask", request, None)
        try:
            first = await stream.read()
            if first is None or not first.HasField("head"):
                raise Unavailable(f"{self.name} ended its answer before it began; ask it again.")
        except BaseException:
            stream.cancel()
            raise
        return Answer(first.head.status, dict(first.head.headers), Body(stream))

    async def join(self, node: Joining) -> Joined:
        """Ask it to make ``node`` a member; see ``Membership``."""
        reply = await self.call("Join", pb.JoinRequest(**node._asdict()), _MEMBERSHIP_SECONDS)
        return Joined(reply.cluster_name, reply.cluster_token, reply.initial_cluster)

    async def leave(self, node_id: int) -> None:
        """Ask it to take a node out."""
        await self.call("Leave", pb.LeaveRequest(node_id=node_id), _MEMBERSHIP_SECONDS)

    async def promote(self, node_id: int) -> None:
        """Ask it to make a voter of a learner."""
        await self.call("Promote", pb.PromoteRequest(node_id=node_id), _MEMBERSHIP_SECONDS)

    async def call(self, method: str, request: Any, seconds: float | None = None) -> Any:
        """One request, one reply."""
        seconds = seconds or self._seconds
        try:
            return await self._method(method)(request, timeout=seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as failure:
            if failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not failure.trailing_metadata():
                raise NotInTime(f"{self.name} did not answer {method} within {seconds:g} s.") from None
            raise error_of(failure, self.name) from None
        except asyncio.CancelledError:
            raise _cut_off(self.name) from None

    def stream(self, method: str, request: Any, silence: float | None) -> "PeerStream":
        """One request, any number of replies, no two of them more than ``silence`` seconds apart."""
        return PeerStream(self._method(method)(request, metadata=self._metadata), self.name, silence)

    def _method(self, name: str) -> Any:
        if self._channel is None:
            self._channel = self._connect()
        return getattr(PeerStub(self._channel), name)  # type: ignore[no-untyped-call]

    def _connect(self) -> grpc.aio.Channel:
        tls, options = self._access.tls, list(_OPTIONS)
        if tls is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        if tls.domain is not None:
            options.append(("grpc.ssl_target_name_override", tls.domain))
        return grpc.aio.secure_channel(self.address, grpc.ssl_channel_credentials(tls.ca), options=options)


class PeerStream:
    """A call that answers with many messages; ``cancel`` it when it is not read to its end."""

    def __init__(self, call: Any, peer: str, silence: float | None) -> None:
        self._call = call
        self._peer = peer
        self._silence = silence

    async def read(self) -> Any:
        """The next message, None after the last one."""
        try:
            async with asyncio.timeout(self._silence):
                message = await self._call.read()
        except TimeoutError:
            raise Unavailable(f"{self._peer} said nothing for {self._silence:g} s.") from None
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure, self._peer) from None
        except asyncio.CancelledError:
            raise _cut_off(self._peer) from None
        return None if message is grpc.aio.EOF else message

    def cancel(self) -> None:
        """End the call, and what it does on the other node; nothing after its end."""
        self._call.cancel()


class Body:
    """The body of an answer. ``aclose``, or dropping it, ends the work on the other node."""

    def __init__(self, stream: PeerStream) -> None:
        self._stream = stream
        self._ended = False

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        part = None if self._ended else await self._stream.read()
        if part is None:
            self._ended = True
            raise StopAsyncIteration
        body: bytes = part.body
        return body

    async def aclose(self) -> None:
        """Idempotent."""
        self._ended = True
        self._stream.cancel()


def _cut_off(peer: str) -> BaseException:
    """gRPC cancels who waits on a connection that is closed: to tell that from a task's own cancellation."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        return asyncio.CancelledError()
    return Unavailable(f"the connection to {peer} was closed on this side; is it still a member?")
