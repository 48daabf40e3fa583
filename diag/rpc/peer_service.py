"""``metadiag.Peer``: what the nodes of a cluster ask of each other, on the port that clients use too."""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

from diag.kv.snapshot import SnapshotStore
from diag.metrics.registry import Metrics
from diag.replication import Answer, Joining, Membership, OrderedLog, Question
from diag.replication.node_view import NodeView
from diag.replication.peer_errors import error_trailers
from diag.replication.peer_wire import CHUNK, MAX_MESSAGE, check_record
from diag.replication.source import LogSource
from diag.replication.stubs import peer_pb2 as pb
from diag.rpc.dispatch import Context, Dispatcher, Handler, Sink
from diag.rpc.peer_auth import PeerAuth
from diag.rpc.peer_snapshots import PeerSnapshots
from diag.rpc.peer_tail import Tails, close

SERVICE = "metadiag.Peer"

#: This node's admin API, without its port: what it would answer to a request.
Admin: TypeAlias = Callable[[Question], Awaitable[Answer]]


class PeerService:
    """The service over the parts of one node.

    ``source`` is the node's own etcd member, never another node: two of them would ask each other.
    """

    def __init__(
        self,
        *,
        source: LogSource,
        log: OrderedLog,
        snapshots: SnapshotStore,
        membership: Membership,
        admin: Admin,
        auth: PeerAuth,
    ) -> None:
        self._source = source
        self._log = log
        self._membership = membership
        self._admin = admin
        self._auth = auth
        self._tails = Tails(source)
        self._snapshots = PeerSnapshots(snapshots)

    def stop(self) -> None:
        """End every open tail; they would end by themselves never."""
        self._tails.stop()

    def handlers(self) -> dict[str, Handler]:
        """The transport's handlers by method name. Every one of them asks for the secret.

        They are counted apart from the calls of clients, which the metrics are about.
        """
        make, secret = Dispatcher(Metrics(), MAX_MESSAGE, error_trailers), self._auth.check
        return {
            "Append": make.unary(pb.AppendRequest, self._append, "write", secret),
            "Head": make.unary(pb.HeadRequest, self._head, "read", secret),
            "Tail": make.stream(pb.TailRequest, self._tails.serve, "other", secret),
            "SnapshotFacts": make.unary(pb.SnapshotFactsRequest, self._snapshots.facts, "other", secret),
            "Snapshot": make.stream(pb.SnapshotRequest, self._snapshots.send, "other", secret),
            "Ask": make.stream(pb.AskRequest, self._ask, "other", secret),
            "Status": make.unary(pb.StatusRequest, self._status, "other", secret),
            "Join": make.unary(pb.JoinRequest, self._join, "other", secret),
            "Leave": make.unary(pb.LeaveRequest, self._leave, "other", secret),
            "Promote": make.unary(pb.PromoteRequest, self._promote, "other", secret),
        }

    async def _append(self, request: pb.AppendRequest, context: Context) -> pb.AppendReply:
        check_record(request.record)
        return pb.AppendReply(revision=await self._source.append(request.record))

    async def _head(self, request: pb.HeadRequest, context: Context) -> pb.HeadReply:
        return pb.HeadReply(**(await self._source.head())._asdict())

    async def _ask(self, request: pb.AskRequest, sink: Sink) -> None:
        answer = await self._admin(Question(request.method, request.path, dict(request.headers)))
        try:
            head = pb.AskHead(status=answer.status, headers=answer.headers)
            await sink.send(pb.AskReply(head=head))
            async for chunk in answer.body:
                for part in _parts(chunk):
                    await sink.send(pb.AskReply(body=part))
        finally:
            await close(answer.body)

    async def _status(self, request: pb.StatusRequest, context: Context) -> pb.StatusReply:
        return pb.StatusReply(json=NodeView.of(self._log.status()).to_json())

    async def _join(self, request: pb.JoinRequest, context: Context) -> pb.JoinReply:
        joined = await self._membership.join(
            Joining(
                request.node_id,
                request.name,
                request.raft_address,
                request.grpc_address,
                request.learner,
                request.cluster_name,
            )
        )
        return pb.JoinReply(**joined._asdict())

    async def _leave(self, request: pb.LeaveRequest, context: Context) -> pb.LeaveReply:
        await self._membership.remove(request.node_id)
        return pb.LeaveReply()

    async def _promote(self, request: pb.PromoteRequest, context: Context) -> pb.PromoteReply:
        await self._membership.promote(request.node_id)
        return pb.PromoteReply()


def _parts(chunk: bytes) -> Iterator[bytes]:
    return (chunk[at : at + CHUNK] for at in range(0, len(chunk), CHUNK))
