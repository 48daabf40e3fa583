"""Snapshots of a cluster: every node writes one at the same entry, and the log shrinks behind them.

A command in the log says when. Each node pins its state right there, copies it in a thread while writes go
on, and reports the content's hash in the log once the copy is durable. What a majority of the voters hold
alike may leave etcd's history. A node whose own hash differs from theirs has another state, and must not
serve it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from diag.errors import Damaged, MetaError, StoreError, Unavailable
from diag.kv.commands import Reply
from diag.kv.reading import Pin
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.store import Store
from diag.replication.ledger import Ledger, Mark
from diag.replication.record import BeginSnapshot, LogCommand, ReportSnapshot

#: Hashes of earlier snapshots kept for comparison, as many as the log keeps marks.
_KEPT = 4

_log = logging.getLogger(__name__)


@dataclass
class _Wanted:
    """A state to write, and who waits for it."""

    pin: Pin
    done: "asyncio.Future[SnapshotInfo]"


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
        self._writing: asyncio.Task[None] | None = None
        self._next: _Wanted | None = None
        self._newest: asyncio.Future[SnapshotInfo] | None = None
        self.latest = self._of_this_history()
        self._unreported = self.latest  # a kill may have come before its report
        self.written = {} if self.latest is None else {self.latest.index: self.latest.content_hash}
        self.entries_written = 0

    @property
    def building(self) -> bool:
        """Whether a snapshot is being written."""
        return self._writing is not None

    async def snapshot(self) -> SnapshotInfo:
        """Have one written on every node; this node's, durable. It holds at least what was acknowledged."""
        await self._submit(BeginSnapshot())
        # The command was applied here before its submission ended, so the newest one is of it or later.
        assert self._newest is not None
        return await asyncio.shield(self._newest)

    def begin(self, pin: Pin) -> None:
        """The command was applied and its state is pinned: write it.

        While another is written one state waits, the newest: a slow disk passes the others over.
        """
        if self._next is not None:
            self._next.pin.release()
            self._next.pin = pin
            return
        self._newest = asyncio.get_running_loop().create_future()
        self._next = _Wanted(pin, self._newest)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="snapshot")

    async def stop(self) -> None:
        """Wait for a snapshot in the making; one that waits is given up."""
        if self._next is not None:
            self._next.pin.release()
            _refuse(self._next, Unavailable("This node is stopping and takes no snapshots; ask another."))
            self._next = None
        if self._writing is not None:
            await asyncio.wait([self._writing])
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

    def _of_this_history(self) -> SnapshotInfo | None:
        """The newest on disk; one of a later position is another history's, as after a restored backup."""
        latest = self._snapshots.latest()
        with self._store.read() as txn:
            return latest if latest is not None and latest.position <= txn.applied() else None

    async def _write_all(self) -> None:
        try:
            while self._next is not None:
                wanted, self._next = self._next, None
                await self._write(wanted)
        finally:
            self._writing = None

    async def _write(self, wanted: _Wanted) -> None:
        loop = asyncio.get_running_loop()
        try:
            info = await loop.run_in_executor(self._thread, self._create, wanted.pin)
        except MetaError as failure:
            _log.error("The snapshot was not written: %s", failure)
            _refuse(wanted, failure)
        except Exception as failure:  # noqa: BLE001 - who waits for it is to hear
            _log.exception("The snapshot was not written")
            _refuse(wanted, StoreError(f"The snapshot was not written: {failure!r}."))
        else:
            self.entries_written += info.key_count + info.expire_count
            self.latest = self._unreported = info
            self.written = {**dict(list(self.written.items())[-_KEPT:]), info.index: info.content_hash}
            wanted.done.set_result(info)
            _log.info("snapshot of entry %d, %d bytes, %s", info.index, info.size, info.content_hash[:12])

    def _create(self, pin: Pin) -> SnapshotInfo:
        try:
            return self._snapshots.create(self._store, self._clock_ms(), pin)
        finally:
            pin.release()


def _refuse(wanted: _Wanted, failure: MetaError) -> None:
    wanted.done.set_exception(failure)
    wanted.done.exception()  # one that nobody asked for here has no caller


def agreed(ledger: Ledger, voters: Iterable[int]) -> tuple[Mark, str] | None:
    """The newest mark that a majority of the voters hold alike, with its hash."""
    ids = frozenset(voters)
    for mark in reversed(ledger.marks):
        counts = Counter(digest for node_id, digest in mark.hashes.items() if node_id in ids)
        digest, most = max(counts.items(), key=lambda item: item[1], default=("", 0))
        if most > len(ids) // 2:
            return mark, digest
    return None


def differs(
    ledger: Ledger, voters: Iterable[int], node_id: int, written: Mapping[int, str]
) -> Damaged | None:
    """Why node ``node_id`` must not serve: its state is not the majority's. None when all is well.

    ``written`` has the hashes of its snapshots by their entries. What the log says of the node does not
    count: it may be of a state that the node has no more.
    """
    found = agreed(ledger, voters)
    if found is None:
        return None
    mark, digest = found
    own = written.get(mark.index, digest)
    if own == digest:
        return None
    return Damaged(
        f"The state of node {node_id} after entry {mark.index} differs from that of the majority "
        f"({own[:12]}, theirs {digest[:12]}); it serves nothing. Stop it, move its store and its "
        "snapshots away, and start it again: it takes the others' state."
    )
