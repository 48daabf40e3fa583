"""Snapshots of a cluster: every node writes one at the same entry, and the log shrinks behind them.

A command in the log says when. Each node pins its state right there, copies it in a thread while writes go
on, and reports the content's hash in the log once the copy is durable. What a majority of the voters hold
alike may leave etcd's history. A node whose own hash differs from theirs has another state, and must not
serve it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from diag.errors import Damaged, MetaError
from diag.kv.commands import Reply
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.store import Pin, Store
from diag.replication.ledger import Ledger, Mark
from diag.replication.record import BeginSnapshot, LogCommand, ReportSnapshot

_log = logging.getLogger(__name__)


class ClusterSnapshots:
    """Writes this node's snapshots. ``submit`` puts a command into the log and waits for it."""

    def __init__(
        self,
        store: Store,
        snapshots: SnapshotStore,
        submit: Callable[[LogCommand], Awaitable[Reply]],
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._submit = submit
        self._clock_ms = clock_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._building: asyncio.Task[None] | None = None
        self._failure: MetaError | None = None
        self._unreported: SnapshotInfo | None = None
        self.latest = snapshots.latest()
        self.entries_written = 0

    @property
    def building(self) -> bool:
        """Whether a snapshot is being written."""
        return self._building is not None

    async def snapshot(self) -> SnapshotInfo:
        """Have one written on every node; this node's, durable. It holds at least what was acknowledged."""
        wanted = self.latest
        self._failure = None
        await self._submit(BeginSnapshot())
        while self.latest is wanted:
            if self._building is None:
                raise self._failure or Damaged("The snapshot was not written; the node's log says why.")
            await asyncio.wait([self._building])
        assert self.latest is not None
        return self.latest

    def begin(self, pin: Pin) -> None:
        """The command was applied and its state is pinned: write it. A slow disk passes markers over."""
        if self._building is not None:
            pin.release()
            return
        self._building = asyncio.create_task(self._build(pin), name="snapshot")

    async def stop(self) -> None:
        """Wait for a snapshot in the making."""
        if self._building is not None:
            await asyncio.wait([self._building])
        self._thread.shutdown()

    async def report(self, ledger: Ledger, node_id: int) -> None:
        """Tell the log of the newest snapshot, if it does not know yet."""
        info = self._unreported
        if info is None:
            return
        mark = next((mark for mark in ledger.marks if mark.index == info.index), None)
        if mark is None or node_id in mark.hashes:
            self._unreported = None
            return
        await self._submit(ReportSnapshot(info.index, info.content_hash))

    async def _build(self, pin: Pin) -> None:
        try:
            loop = asyncio.get_running_loop()
            info = await loop.run_in_executor(self._thread, self._write, pin)
        except MetaError as failure:
            self._failure = failure
            _log.error("The snapshot was not written: %s", failure)
            return
        finally:
            self._building = None
        self.entries_written += info.key_count + info.expire_count
        self.latest = self._unreported = info
        _log.info("snapshot of entry %d, %d bytes, %s", info.index, info.size, info.content_hash[:12])

    def _write(self, pin: Pin) -> SnapshotInfo:
        try:
            return self._snapshots.create(self._store, self._clock_ms(), pin)
        finally:
            pin.release()


def agreed(ledger: Ledger, voters: Iterable[int]) -> tuple[Mark, str] | None:
    """The newest mark that a majority of the voters hold alike, with its hash."""
    ids = frozenset(voters)
    for mark in reversed(ledger.marks):
        counts = Counter(digest for node_id, digest in mark.hashes.items() if node_id in ids)
        digest, most = max(counts.items(), key=lambda item: item[1], default=("", 0))
        if most > len(ids) // 2:
            return mark, digest
    return None


def differs(ledger: Ledger, voters: Iterable[int], node_id: int) -> Damaged | None:
    """Why node ``node_id`` must not serve: its state is not the majority's. None when all is well."""
    found = agreed(ledger, voters)
    if found is None:
        return None
    mark, digest = found
    own = mark.hashes.get(node_id)
    if own in (None, digest):
        return None
    return Damaged(
        f"The state of node {node_id} after entry {mark.index} differs from that of the majority "
        f"({own[:12]}, theirs {digest[:12]}); it serves nothing. Stop it, move its store directory away, and "
        "start it again: it takes the others' state."
    )
