"""One watch on one key of etcd, as batches of whole revisions.

The watch is a notification service, not a log: whoever builds on it checks that every
entry's version is the last one's plus one. What ends a watch is told apart: ours
(``close``, the iteration ends), etcd's with a reason, and a stream that broke off.
"""

import asyncio
from types import TracebackType
from typing import Any

import grpc

from diag.errors import Compacted, LogWatchCancelled, LogWatchClosed, MetaError, NotInTime, Unavailable
from diag.replication import etcd_wire as wire
from diag.replication.etcd_channel import Connection
from diag.replication.stubs import etcd_pb2 as pb

#: With it etcd ends the stream once its member has no leader, in place of a watch that is silent for ever.
_METADATA = (("hasleader", "true"),)


class Watch:
    """``async for batch in watch`` from ``start_revision`` on; open it by ``EtcdClient.watch``.

    Iteration raises Compacted, LogWatchCancelled or LogWatchClosed; a watch that has ended stays so.
    Give it a task of its own: to give up waiting for one batch (a cancellation, a timeout) ends the watch.
    """

    def __init__(self, connection: Connection, key: bytes, start_revision: int) -> None:
        self._connection = connection
        self._key = key
        self._start = start_revision
        self._call: Any = None
        self._closed = False
        self._pending: list[wire.Change] = []  # the parts of a revision that came in several messages

    @property
    def endpoint(self) -> str:
        """Where the watch was opened."""
        return self._connection.endpoint

    async def open(self, deadline: float) -> wire.Header:
        """Ask for the watch; the header of etcd's consent. Raises NotInTime after ``deadline`` seconds."""
        self._call = self._connection.watch.Watch(metadata=_METADATA)
        create = pb.WatchCreateRequest(key=self._key, start_revision=self._start, fragment=True)
        try:
            async with asyncio.timeout(deadline):
                await self._write(pb.WatchRequest(create_request=create))
                answer = await self._read()
        except TimeoutError:
            self.close()
            raise NotInTime(
                f"etcd at {self.endpoint} did not open a watch within {deadline:g} s; try another member"
            ) from None
        except BaseException:
            self.close()
            raise
        if answer.canceled:
            raise self._cancelled(answer)
        return wire.header(answer.header)

    async def progress(self) -> None:
        """Ask how far the watch is; the answer is a batch without changes, behind all up to its revision.

        etcd drops the question while the watch still catches up, so ask again until it is answered.
        """
        await self._write(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))

    def close(self) -> None:
        """End the watch; an iteration that waits ends too."""
        self._closed = True
        if self._call is not None:
            self._call.cancel()

    @property
    def _ended(self) -> bool:  # for the type checker, to which an attribute cannot change during an await
        return self._closed

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> wire.Batch:
        while not self._closed:
            try:
                answer = await self._read()
            except Unavailable:
                if self._ended:
                    break
                raise
            except asyncio.CancelledError:
                if self._ended and not _being_cancelled():
                    break  # gRPC reports our own close() that way
                raise
            if answer.canceled:
                raise self._cancelled(answer)
            self._pending += map(wire.change, answer.events)
            if not answer.fragment:
                changes, self._pending = tuple(self._pending), []
                return wire.Batch(wire.header(answer.header), changes)
        raise StopAsyncIteration

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _write(self, request: pb.WatchRequest) -> None:
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise await self._broken(error) from None

    async def _read(self) -> pb.WatchResponse:
        try:
            answer = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise await self._broken(error) from None
        if answer is grpc.aio.EOF:
            raise await self._broken(None)
        assert isinstance(answer, pb.WatchResponse)
        return answer

    async def _broken(self, error: BaseException | None) -> MetaError:
        if isinstance(error, grpc.aio.AioRpcError):
            said = error.details() or error.code().name
        else:
            said = await self._call.details() or "the stream ended"
        return LogWatchClosed(f"the watch at {self.endpoint} ended: {said}; open it again, at another member")

    def _cancelled(self, answer: pb.WatchResponse) -> MetaError:
        self.close()
        if answer.compact_revision:
            begins = answer.compact_revision
            return Compacted(
                f"a watch from revision {self._start} is too late: etcd's history begins at {begins}; "
                f"load a snapshot that is newer",
                begins,
            )
        return LogWatchCancelled(
            f"etcd at {self.endpoint} ended the watch: {answer.cancel_reason or 'no reason'}"
        )


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
