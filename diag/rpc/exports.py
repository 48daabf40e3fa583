"""Export, ExportV1 and SnapshotKeysLayout: long reads of a snapshot's file, away from the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

from diag.errors import InvalidRequest
from diag.kv.export import export_lines
from diag.kv.layout import keys_layout
from diag.kv.snapshot import open_snapshot
from diag.kv.store import Store
from diag.replication import OrderedLog
from diag.rpc.dispatch import Sink
from diag.rpc.stubs import meta_pb2 as pb

DEFAULT_LINES = 32
MAX_LINES = 100_000

#: A chunk is sent once it is this long, however few lines it has.
CHUNK_BYTES = 4 << 20

LAYOUT_ITEMS = 256

Item = TypeVar("Item")


class Exports:
    """Reads snapshots. An export takes a new one when writes came after the last."""

    def __init__(self, log: OrderedLog) -> None:
        self._log = log

    async def export(self, request: pb.Empty, sink: Sink) -> None:
        """Export."""
        await self._export(DEFAULT_LINES, sink)

    async def export_v1(self, request: pb.ExportRequest, sink: Sink) -> None:
        """ExportV1: the caller chooses the lines a message."""
        lines = request.chunk_size if request.HasField("chunk_size") else DEFAULT_LINES
        if not 0 < lines <= MAX_LINES:
            raise InvalidRequest(f"chunk_size must be from 1 to {MAX_LINES} lines, not {lines}")
        await self._export(lines, sink)

    async def keys_layout(self, request: pb.KeysLayoutRequest, sink: Sink) -> None:
        """SnapshotKeysLayout, of the last snapshot there is."""
        depth = request.depth if request.HasField("depth") else None
        facts = self._log.status().snapshot or await self._log.snapshot()
        async with _Chunks(facts.path, lambda store: keys_layout(store, depth), LAYOUT_ITEMS) as chunks:
            async for chunk in chunks:
                for prefix, count in chunk:
                    await sink.send(pb.KeysCount(prefix=prefix, count=count))

    async def _export(self, lines: int, sink: Sink) -> None:
        status = self._log.status()
        facts = status.snapshot
        if facts is None or facts.log_id != status.last_applied:
            facts = await self._log.snapshot()
        members = (*status.voters, *status.non_voters)
        async with _Chunks(facts.path, lambda store: export_lines(store, members), lines) as chunks:
            async for chunk in chunks:
                await sink.send(pb.ExportedChunk(data=chunk))


class _Chunks(Generic[Item]):
    """What ``items`` makes of a snapshot, as lists. Opened, read and closed in one thread of its own."""

    def __init__(self, snapshot: Path, items: Callable[[Store], Iterator[Item]], count: int) -> None:
        self._worker = ThreadPoolExecutor(1, "export")
        self._source = self._read(snapshot, items, count)

    async def __aenter__(self) -> "_Chunks[Item]":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # Not waited for: a chunk in the making would hold the event loop.
        self._worker.submit(self._source.close)
        self._worker.shutdown(wait=False)

    async def __aiter__(self) -> AsyncIterator[list[Item]]:
        loop = asyncio.get_running_loop()
        while chunk := await loop.run_in_executor(self._worker, next, self._source, None):
            yield chunk

    @staticmethod
    def _read(
        snapshot: Path, items: Callable[[Store], Iterator[Item]], count: int
    ) -> Generator[list[Item], None, None]:
        with open_snapshot(snapshot) as store:
            chunk: list[Item] = []
            size = 0
            for item in items(store):
                chunk.append(item)
                size += len(item) if isinstance(item, str) else 1
                if len(chunk) >= count or size >= CHUNK_BYTES:
                    yield chunk
                    chunk, size = [], 0
            if chunk:
                yield chunk
