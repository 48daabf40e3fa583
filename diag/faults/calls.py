"""Calls of one node that end in time, and what their failure means for the write they carried.

A call is made once: a client that tries again by itself would make two attempts look like one. Before the
first call of a connection comes one without effect, so that a refused connection, a failed handshake or a
dead node is met before a write was sent, and is a certain failure. After a write was sent, only answers
that are given before a node proposes anything are certain; all others leave the outcome unknown:
UNAVAILABLE may come from a node that stops after the log took the write, DEADLINE_EXCEEDED and CANCELLED say
nothing, and INTERNAL and RESOURCE_EXHAUSTED can be met on the way back.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
import grpc.aio

from diag.faults.history import Seen
from diag.kv.records import Record
from diag.rpc.client import MetaClient
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.translate import read_record

_WITHOUT_EFFECT = frozenset(
    (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    )
)

Result = TypeVar("Result")


class CallFailed(Exception):
    """``certain``: the call had no effect and will have none. Otherwise nobody knows."""

    def __init__(self, why: str, certain: bool) -> None:
        super().__init__(why)
        self.certain = certain


class Caller:
    """One client's connection to the node at ``endpoint``; calls end within twice ``deadline`` seconds."""

    def __init__(self, endpoint: str, deadline: float) -> None:
        self._client = MetaClient([endpoint], timeout=deadline, attempts=1)
        self._greeted = False

    async def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        self._greeted = False
        await self._client.close()

    async def put(self, key: str, value: str, expected: int | None = None) -> tuple[Seen | None, Seen | None]:
        """The record before and after; they are the same when ``expected`` was not its seq."""
        request = pb.TxnPutRequest(key=key, value=value.encode(), match_seq=expected)
        response = (await self._operate(pb.TxnOp(put=request))).put
        return _seen(response, "prev_value"), _seen(response, "current")

    async def delete(self, key: str, expected: int | None = None) -> tuple[bool, Seen | None]:
        """Whether a record was deleted, and the one that was in place."""
        request = pb.TxnDeleteRequest(key=key, match_seq=expected)
        response = (await self._operate(pb.TxnOp(delete=request))).delete
        return response.success, _seen(response, "prev_value")

    async def increase(self, key: str) -> int:
        """Add 1 to a counter: the one write whose second application shows. Its value after that."""
        request = pb.FetchIncreaseU64(key=key, delta=1)
        return int((await self._operate(pb.TxnOp(fetch_increase_u64=request))).fetch_increase_u64.after)

    async def get(self, key: str) -> Seen | None:
        """The record, None when it is absent. Its failure is always certain: a read has no effect."""
        try:
            record = await self._call(lambda: self._client.get(key))
        except CallFailed as error:
            raise CallFailed(str(error), certain=True) from error
        return None if record is None else _of_record(record)

    async def _operate(self, operation: pb.TxnOp) -> pb.TxnOpResponse:
        reply = await self._call(lambda: self._client.transaction(pb.TxnRequest(if_then=[operation])))
        return reply.responses[0]

    async def _call(self, call: Callable[[], Awaitable[Result]]) -> Result:
        sent = False
        try:
            if not self._greeted:
                await self._client.client_info()
                self._greeted = True
            sent = True
            return await call()
        except grpc.aio.AioRpcError as error:
            await self.close()
            certain = not sent or error.code() in _WITHOUT_EFFECT
            raise CallFailed(f"{error.code().name}: {error.details()}", certain) from error


def _seen(message: pb.TxnPutResponse | pb.TxnDeleteResponse, field: str) -> Seen | None:
    return _of_record(read_record(getattr(message, field))) if message.HasField(field) else None


def _of_record(record: Record) -> Seen:
    return Seen(record.data.decode("utf-8", "backslashreplace"), record.seq)
