"""``meta.MetaService``: every RPC a client may call, put together (wire protocol, section 4)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from diag.errors import InvalidRequest, MetaError
from diag.kv.commands import Transacted, Upsert, Upserted
from diag.kv.view import Reader
from diag.kv.watch import WatchHub
from diag.metrics.registry import Metrics
from diag.metrics.slow import SlowRequests
from diag.replication import OrderedLog
from diag.rpc import translate
from diag.rpc.answerable import Answerable
from diag.rpc.auth import HandshakeAuth, WrongPassword
from diag.rpc.cluster_rpcs import client_info, cluster_status, member_list
from diag.rpc.dispatch import LEADER_KEY, Context, Dispatcher, Handler, Sink
from diag.rpc.exports import Exports
from diag.rpc.json_kv import (
    GetKV,
    MGetKV,
    listing_json,
    parse_request,
    record_json,
    records_json,
    upserted_json,
)
from diag.rpc.reads import Reads
from diag.rpc.shortcut import Shortcut, ShortReads
from diag.rpc.slow_calls import SlowCalls
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.watch_stream import WatchStreams
from diag.rpc.wire import Metadata, host_of

SERVICE = "meta.MetaService"

#: How long whoever gives a wrong password waits to hear of it; after some, the next is not even looked at.
WRONG_PASSWORD_SECONDS = 0.3


class MetaService:
    """The service over an ordered log and the store behind it.

    The node feeds ``hub`` from the log. ``clock_ms`` decides what has expired
    for readers. ``version`` is what GetClusterStatus calls the binary's version;
    ``slow`` hears of slow calls.
    """

    def __init__(
        self,
        log: OrderedLog,
        reader: Reader,
        hub: WatchHub,
        auth: HandshakeAuth,
        metrics: Metrics,
        clock_ms: Callable[[], int],
        *,
        version: str = "260304.0.0",
        slow: SlowRequests | None = None,
    ) -> None:
        self._log = log
        self._auth = auth
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._version = version
        self._slow = SlowCalls(slow) if slow is not None else None
        self._reads = Reads(log, reader, metrics, clock_ms)
        self._watches = WatchStreams(hub, metrics)
        self._exports = Exports(log)
        self._short_reads = ShortReads(reader, auth, metrics, clock_ms, self._slow)

    def stop(self) -> None:
        """End every open watch; they would end by themselves never."""
        self._watches.stop()

    def handlers(self, max_message_size: int) -> dict[str, Handler]:
        """The transport's handlers by method name. What takes no token is as on the wire (section 2.2),
        unless there is a password: then all but the handshake take one.

        An exported line is four times as long as its value and cannot be split, so exports have no limit.
        """
        make = Dispatcher(self._metrics, max_message_size, slow=self._slow)
        answerable = Answerable(max_message_size, self._clock_ms)
        token = self._auth.check
        closed = token if self._auth.has_password else None
        return {
            "Handshake": make.exchange(pb.HandshakeRequest, self._handshake, "other"),
            "KvApi": make.unary(
                pb.RaftRequest, partial(self._kv_api, answerable), "write", token, name="KvApi"
            ),
            "KvReadV1": make.stream(
                pb.RaftRequest,
                self._reads.read_v1,
                "read",
                token,
                advice=self._where_the_leader_is,
                name="KvReadV1",
            ),
            "KvList": make.stream(pb.KvListRequest, self._reads.read_prefix, "read", token, name="KvList"),
            "KvGetMany": make.exchange(pb.KvGetManyRequest, self._reads.get_many, "read", token),
            "Transaction": make.unary(
                pb.TxnRequest,
                partial(self._transaction, answerable),
                "write",
                token,
                self._where_the_leader_is,
                name="Transaction",
            ),
            "KvTransaction": make.unary(
                pb.KvTransactionRequest,
                partial(self._kv_transaction, answerable),
                "write",
                token,
                name="KvTransaction",
            ),
            "Watch": make.stream(pb.WatchRequest, self._watches.serve, "other", closed),
            "Export": make.stream(pb.Empty, self._exports.export, "other", closed, bounded=False),
            "ExportV1": make.stream(
                pb.ExportRequest, self._exports.export_v1, "other", closed, bounded=False
            ),
            "SnapshotKeysLayout": make.stream(
                pb.KeysLayoutRequest, self._exports.keys_layout, "other", closed
            ),
            "MemberList": make.unary(pb.MemberListRequest, self._member_list, "other", token),
            "GetClusterStatus": make.unary(pb.Empty, self._cluster_status, "other", closed),
            "GetClientInfo": make.unary(pb.Empty, self._client_info, "other", closed),
        }

    def shortcuts(self) -> dict[str, Shortcut]:
        """Methods that a transport may have answered without their handlers, by path."""
        return {f"/{SERVICE}/KvReadV1": self._short_reads.answer} if self._log.reads_are_local else {}

    def _where_the_leader_is(self) -> Metadata:
        """A follower's advice (section 2.4). It answers all the same; at the leader it is one way less."""
        leader = self._log.leader_elsewhere()
        return ((LEADER_KEY, leader),) if leader else ()

    async def _handshake(self, requests: AsyncIterator[pb.HandshakeRequest], sink: Sink) -> None:
        async for request in requests:
            try:
                reply = self._auth.handshake(request, host_of(sink.peer()))
            except WrongPassword:
                await asyncio.sleep(WRONG_PASSWORD_SECONDS)
                raise
            await sink.send(reply)
            return
        raise MetaError("the handshake's stream ended without a request; send one HandshakeRequest")

    async def _transaction(
        self, answerable: Answerable, request: pb.TxnRequest, context: Context
    ) -> pb.TxnReply:
        command, answer = translate.transaction(request), partial(translate.transaction_reply, request)
        answerable.check_transaction(request.ByteSize(), command, answer)
        reply = await self._log.propose(command)
        assert isinstance(reply, Transacted)
        return answer(reply)

    async def _kv_transaction(
        self, answerable: Answerable, request: pb.KvTransactionRequest, context: Context
    ) -> pb.KvTransactionReply:
        command = translate.kv_transaction(request)
        answerable.check_transaction(request.ByteSize(), command, translate.kv_transaction_reply)
        reply = await self._log.propose(command)
        assert isinstance(reply, Transacted)
        return translate.kv_transaction_reply(reply)

    async def _kv_api(
        self, answerable: Answerable, request: pb.RaftRequest, context: Context
    ) -> pb.RaftReply:
        try:
            parsed = parse_request(request.data)
        except InvalidRequest as error:
            raise MetaError(str(error)) from error  # this RPC answers bad JSON with INTERNAL
        if isinstance(parsed, Upsert):
            answerable.check_upsert(parsed)
            reply = await self._log.propose(parsed)
            assert isinstance(reply, Upserted)
            answerable.check_upserted(reply)
            return pb.RaftReply(data=upserted_json(reply))
        found = await self._reads.collect(parsed)
        if isinstance(parsed, GetKV):
            return pb.RaftReply(data=record_json(found[0][1]))
        if isinstance(parsed, MGetKV):
            return pb.RaftReply(data=records_json([record for _, record in found]))
        return pb.RaftReply(data=listing_json(found))

    async def _member_list(self, request: pb.MemberListRequest, context: Context) -> pb.MemberListReply:
        return member_list(self._log.status())

    async def _cluster_status(self, request: pb.Empty, context: Context) -> pb.ClusterStatus:
        return cluster_status(self._log.status(), self._version)

    async def _client_info(self, request: pb.Empty, context: Context) -> pb.ClientInfo:
        return client_info(context.peer(), self._clock_ms())
