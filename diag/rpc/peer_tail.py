"""Tail: the log as it grows, for a node that cannot follow it by itself.

A reader that does not keep up holds the call inside ``send``; the source is not asked for more
meanwhile, so what waits for it is one message and what the source gave last.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from diag.errors import Unavailable
from diag.replication.peer_wire import CHUNK, SIGN_OF_LIFE, check_record
from diag.replication.source import Entry, LogSource
from diag.replication.stubs import peer_pb2 as pb
from diag.rpc.dispatch import Sink

_STOPPING = "the meta node is stopping; follow the log at another"


class Tails:
    """Serves tails of ``source`` until the client leaves, the source breaks, or the node stops."""

    def __init__(self, source: LogSource, rest: float = SIGN_OF_LIFE) -> None:
        """``rest`` is how many seconds a tail may be silent before it says that it is alive."""
        self._source = source
        self._rest = rest
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End every tail, and refuse new ones."""
        self._stopping.set()

    async def serve(self, request: pb.TailRequest, sink: Sink) -> None:
        """Never returns by itself. In a task of its own, as only a cancellation ends a ``send``."""
        if self._stopping.is_set():
            raise Unavailable(_STOPPING)
        await sink.open()
        tail = _Tail(self._source, request.revision, self._rest)
        following = asyncio.ensure_future(tail.follow(sink))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                raise Unavailable(_STOPPING)
            following.result()
        finally:
            following.cancel()
            stopping.cancel()
            await asyncio.wait((following, stopping))


class _Tail:
    def __init__(self, source: LogSource, revision: int, rest: float) -> None:
        self._source = source
        self._entries = source.tail(revision)
        self._rest = rest
        self._sent = revision - 1
        self._head = 0
        self._overdue = False

    async def follow(self, sink: Sink) -> None:
        """Send until cancelled; Unavailable when the source ends."""
        try:
            while True:
                await self._send(await self._next(sink), sink)
        finally:
            await close(self._entries)

    async def _next(self, sink: Sink) -> Sequence[Entry]:
        """What the source gives next; meanwhile signs of life."""
        coming = asyncio.ensure_future(_next(self._entries))
        try:
            while not (await asyncio.wait((coming,), timeout=self._rest))[0]:
                await self._show_life(sink)
            return coming.result()
        finally:
            coming.cancel()
            await asyncio.wait((coming,))

    async def _send(self, batch: Sequence[Entry], sink: Sink) -> None:
        if batch:
            self._overdue = False
            self._sent = batch[-1].revision
            self._head = max(self._head, self._sent)
        for part in _parts(batch):
            entries = [pb.TailEntry(**entry._asdict()) for entry in part]
            await sink.send(pb.TailReply(head_revision=self._head, entries=entries))

    async def _show_life(self, sink: Sink) -> None:
        """Ask the log: a word of this node says nothing of it. While it has no answer, neither have we."""
        try:
            head = await self._source.head()
        except Unavailable:
            return
        overdue = head.revision > self._sent
        if overdue and self._overdue:
            raise Unavailable(
                f"{self._source.name} has records up to revision {head.revision}, and brings none after "
                f"{self._sent}; follow the log at another"
            )
        self._overdue, self._head = overdue, head.revision
        await sink.send(pb.TailReply(head_revision=head.revision))


async def _next(entries: AsyncIterator[Sequence[Entry]]) -> Sequence[Entry]:
    async for batch in entries:
        return batch
    raise Unavailable("the log's source ended; follow it at another")


async def close(iterator: AsyncIterator[Any]) -> None:
    """End what an iterator does, where it is more than an iterator."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()


def _parts(batch: Sequence[Entry]) -> Iterator[list[Entry]]:
    """In messages of about a chunk, or of one record; one empty part of an empty batch."""
    part: list[Entry] = []
    size = 0
    for entry in batch:
        check_record(entry.record)
        if part and size + len(entry.record) > CHUNK:
            yield part
            part, size = [], 0
        part.append(entry)
        size += len(entry.record)
    if part or not batch:
        yield part
