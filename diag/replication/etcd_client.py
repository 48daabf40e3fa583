"""What the service asks of etcd, with a deadline on every call.

A frozen member keeps its connections, so only a deadline tells. After a failure the next
call goes to the next endpoint; reads are asked again there at once, writes are not, since
whether the first one was committed is unknown and only the caller can tell its own write.
"""

from collections.abc import Sequence
from typing import Any

import grpc

from diag.errors import Unavailable
from diag.replication import etcd_wire as wire
from diag.replication.etcd_channel import ClientTls, Connections
from diag.replication.etcd_watch import Watch
from diag.replication.stubs import etcd_pb2 as pb

_DEFRAGMENT_DEADLINE = 120.0
_MEMBERSHIP_DEADLINE = 5.0


class EtcdClient:
    """One cluster, through one or more endpoints (``unix:/path`` or ``host:port``).

    Every method raises the errors of ``etcd_wire``; ``deadline`` is seconds, by default the client's.
    Use it on one event loop.
    """

    def __init__(
        self, endpoints: Sequence[str], *, deadline: float = 1.0, tls: ClientTls | None = None
    ) -> None:
        self._connections = Connections(endpoints, tls)
        self._deadline = deadline

    async def close(self) -> None:
        await self._connections.close()

    async def get(
        self,
        key: bytes,
        *,
        serializable: bool = False,
        keys_only: bool = False,
        deadline: float | None = None,
    ) -> wire.Found:
        """The key's entry; linearizable unless ``serializable``: then the member tells its own state."""
        request = pb.RangeRequest(key=key, serializable=serializable, keys_only=keys_only)
        answer: pb.RangeResponse = await self._read("kv", "Range", request, deadline)
        return wire.Found(wire.header(answer.header), tuple(map(wire.entry, answer.kvs)))

    async def put(self, key: bytes, value: bytes, *, deadline: float | None = None) -> wire.Header:
        """Write; the header's revision is the write's own."""
        answer = await self._write("kv", "Put", pb.PutRequest(key=key, value=value), deadline)
        return wire.header(answer.header)

    async def compact(self, revision: int, *, deadline: float | None = None) -> None:
        """Forget the history before ``revision``; Compacted when that was done already."""
        await self._write("kv", "Compact", pb.CompactionRequest(revision=revision), deadline)

    async def watch(self, key: bytes, start_revision: int, *, deadline: float | None = None) -> Watch:
        """An open watch on the key, beginning with the change of ``start_revision``; close it after use."""
        connection = self._connections.current
        watch = Watch(connection, key, start_revision)
        try:
            await watch.open(self._deadline if deadline is None else deadline)
        except Unavailable:
            self._connections.leave(connection)
            raise
        return watch

    async def status(self, *, deadline: float | None = None) -> wire.MemberStatus:
        """What the member at the endpoint in use says of itself."""
        return wire.status(await self._read("maintenance", "Status", pb.StatusRequest(), deadline))

    async def members(
        self, *, linearizable: bool = True, deadline: float | None = None
    ) -> tuple[wire.Member, ...]:
        """All members; unless ``linearizable``, as the asked one knows them."""
        request = pb.MemberListRequest(linearizable=linearizable)
        answer: pb.MemberListResponse = await self._read("cluster", "MemberList", request, deadline)
        return wire.members(answer.members)

    async def add_member(self, peer_url: str, *, learner: bool = False) -> wire.Member:
        """Announce a member that will listen at ``peer_url``; Conflict while the cluster is not whole."""
        request = pb.MemberAddRequest(peerURLs=[peer_url], isLearner=learner)
        answer: pb.MemberAddResponse = await self._write(
            "cluster", "MemberAdd", request, _MEMBERSHIP_DEADLINE
        )
        return wire.members([answer.member])[0]

    async def remove_member(self, member_id: int) -> None:
        """Take the member out; its etcd then ends by itself."""
        request = pb.MemberIdRequest(ID=member_id)
        await self._write("cluster", "MemberRemove", request, _MEMBERSHIP_DEADLINE)

    async def promote_member(self, member_id: int) -> None:
        """Make a learner a voter; Conflict until it has caught up."""
        request = pb.MemberIdRequest(ID=member_id)
        await self._write("cluster", "MemberPromote", request, _MEMBERSHIP_DEADLINE)

    async def move_leader(self, target: int) -> None:
        """Hand the leadership to member ``target``; only the leader's own endpoint accepts this."""
        request = pb.MoveLeaderRequest(targetID=target)
        await self._write("maintenance", "MoveLeader", request, _MEMBERSHIP_DEADLINE)

    async def alarms(self, *, deadline: float | None = None) -> tuple[wire.Alarm, ...]:
        """The alarms raised in the whole cluster."""
        request = pb.AlarmRequest(action=pb.AlarmRequest.GET)
        answer: pb.AlarmResponse = await self._read("maintenance", "Alarm", request, deadline)
        return tuple(wire.Alarm(one.memberID, pb.AlarmType.Name(one.alarm)) for one in answer.alarms)

    async def disarm(self, alarm: wire.Alarm, *, deadline: float | None = None) -> None:
        """Take back an alarm whose cause is gone."""
        request = pb.AlarmRequest(
            action=pb.AlarmRequest.DEACTIVATE, memberID=alarm.member_id, alarm=alarm.kind
        )
        await self._write("maintenance", "Alarm", request, deadline)

    async def defragment(self, *, deadline: float = _DEFRAGMENT_DEADLINE) -> None:
        """Free the unused pages of the file of the member in use, which answers nothing meanwhile."""
        await self._write("maintenance", "Defragment", pb.DefragmentRequest(), deadline)

    async def hash_kv(self, revision: int, *, deadline: float | None = None) -> wire.HashFacts:
        """The hash of the member's history up to ``revision``, for comparing members."""
        request = pb.HashKVRequest(revision=revision)
        answer: pb.HashKVResponse = await self._read("maintenance", "HashKV", request, deadline)
        return wire.HashFacts(wire.header(answer.header), answer.hash, answer.compact_revision)

    async def _read(self, service: str, method: str, request: object, deadline: float | None) -> Any:
        for _ in range(len(self._connections) - 1):
            try:
                return await self._write(service, method, request, deadline)
            except Unavailable:
                continue
        return await self._write(service, method, request, deadline)

    async def _write(self, service: str, method: str, request: object, deadline: float | None) -> Any:
        connection = self._connections.current
        ask = getattr(getattr(connection, service), method)
        try:
            return await ask(request, timeout=self._deadline if deadline is None else deadline)
        except grpc.aio.AioRpcError as error:
            failure = wire.translated(error, f"etcd {method} at {connection.endpoint}")
        if isinstance(failure, Unavailable):
            self._connections.leave(connection)
        raise failure
