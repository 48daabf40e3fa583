"""Snapshots for other nodes: what this one holds, and the file of one of them, read away from the loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from diag.errors import InvalidRequest, NotFound
from diag.kv import directory
from diag.kv.arrival import SnapshotOffer
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.state import Position
from diag.replication.peer_wire import CHUNK, offer_message
from diag.replication.stubs import peer_pb2 as pb
from diag.rpc.dispatch import Context, Sink


class PeerSnapshots:
    """Serves the snapshots of ``store``."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store

    async def facts(self, request: pb.SnapshotFactsRequest, context: Context) -> pb.SnapshotFactsReply:
        """SnapshotFacts."""
        held = await asyncio.to_thread(self._store.all)
        return pb.SnapshotFactsReply(snapshots=[offer_message(_offer(info)) for info in held])

    async def send(self, request: pb.SnapshotRequest, sink: Sink) -> None:
        """Snapshot. One that is removed while it is sent is sent to its end: its file stays open."""
        # A thread of its own: closing the file then waits for a read whose caller is gone.
        loop, files = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="snapshot-send")
        opened: list[BinaryIO] = []
        try:
            await loop.run_in_executor(files, self._open, request, opened)
            while data := await loop.run_in_executor(files, opened[0].read, CHUNK):
                await sink.send(pb.SnapshotChunk(data=data))
        finally:
            files.submit(lambda: [file.close() for file in opened])
            files.shutdown(wait=False)

    def _open(self, request: pb.SnapshotRequest, opened: list[BinaryIO]) -> None:
        asked = Position(request.term, request.node_id, request.index)
        path = self._store.root / "-".join(map(str, asked)) / directory.DATA
        with directory.explained(path):
            try:
                opened.append(path.open("rb"))
            except FileNotFoundError:
                raise self._gone(asked) from None
            # After the file was opened: a snapshot of the same position may take its place.
            held = {info.position: info for info in self._store.all()}.get(asked)
            if held is None or held.file_hash != request.file_hash:
                raise self._gone(asked)
            if request.offset > held.size:
                raise InvalidRequest(f"offset is {request.offset}, beyond the file's {held.size} bytes")
            opened[0].seek(request.offset)

    def _gone(self, asked: Position) -> NotFound:
        held = ", ".join(f"{info.path.name} ({info.file_hash[:12]})" for info in self._store.all())
        return NotFound(
            f"this node does not hold that file of snapshot {'-'.join(map(str, asked))} (any more); "
            f"it holds {held or 'none'}. Ask for its facts again"
        )


def _offer(info: SnapshotInfo) -> SnapshotOffer:
    return SnapshotOffer(**{name: value for name, value in vars(info).items() if name != "path"})
