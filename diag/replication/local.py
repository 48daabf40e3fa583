"""The embedded engine: one node, its store is its log, and a batch is one fsync.

Proposals gather on the event loop while a batch is being committed. The committer takes
all of them; the loop then hears of the whole batch in one call, tells the listeners in
order, and resolves the proposers. Reads do not come here at all.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from diag.errors import Conflict, InvalidRequest, MetaError, Unavailable
from diag.kv.apply import validate
from diag.kv.commands import Command, Reply
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication import Applied, ClusterStatus, LogCounters, LogId, NodeAddress, SnapshotFacts, Transfer
from diag.replication.committer import Batch, Committer, Figures, Proposal, figures_of
from diag.replication.facts import snapshot_facts
from diag.replication.listeners import Listeners
from diag.replication.stages import Stages, passed

#: An automatic snapshot waits this many times as long as the last one took to build.
_SNAPSHOT_REST = 9.0

_log = logging.getLogger(__name__)


class LocalLog:
    """The ``OrderedLog`` of a single node. Owns the store from ``start`` to ``stop``."""

    def __init__(
        self,
        store: Store,
        node: NodeAddress,
        snapshots: SnapshotStore,
        clock_ms: Callable[[], int],
        snapshot_logs_since_last: int = 1024,
    ) -> None:
        self._store = store
        self._node = node
        self._snapshots = snapshots
        self._clock_ms = clock_ms
        self._snapshot_every = snapshot_logs_since_last
        self._gathered: list[Proposal] = []
        self._listeners = Listeners()
        self._committer: Committer | None = None
        self._snapshot_thread: ThreadPoolExecutor | None = None
        self._snapshot_task: asyncio.Task[SnapshotInfo] | None = None
        self._snapshot_rest_until = 0.0
        self._latest: SnapshotInfo | None = None
        self._state = "Candidate"
        self._figures = Figures()
        self._db_size = 0
        self._pending = 0
        self._failed = 0
        self._leader_changes = 0
        self._snapshot_entries = 0
        self._acknowledged_at = -math.inf

    @property
    def reads_are_local(self) -> bool:
        """Always: a write is acknowledged after its commit, and there is no other node."""
        return True

    async def start(self) -> None:
        """Begin a term of office, persisted: the terms of two starts are never the same."""
        self._loop = asyncio.get_running_loop()
        with self._store.write() as txn:
            before = txn.applied()
            # The first entry of a term is empty, as it is in Raft: it makes the term durable.
            txn.set_applied(Position(before.term + 1, self._node.node_id, before.index + 1))
            self._figures = figures_of(txn)
        latest = self._snapshots.latest()
        # One of a later position is another history's: the store was restored to an earlier state.
        self._latest = latest if latest is None or latest.position <= before else None
        self._state = "Leader"
        self._leader_changes = 1
        self._snapshot_thread = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._committer = Committer(self._store, self._figures, self._clock_ms, self._resolve)
        self._committer.start()

    async def stop(self) -> None:
        """Commit what was proposed, refuse what comes later with ``Unavailable``, close the store."""
        if self._state == "Shutdown":
            return
        self._state = "Shutdown"
        if self._committer is not None and self._snapshot_thread is not None:
            self._hand_over()
            await self._committer.stop()
            if self._snapshot_task is not None:
                await asyncio.wait([self._snapshot_task])
            self._snapshot_thread.shutdown()
        self._db_size = self._store.size()
        self._store.close()

    async def propose(self, command: Command) -> Reply:
        """Order, make durable and apply; ``InvalidRequest``, ``NoSpace`` or ``Unavailable``."""
        if self._state != "Leader":
            raise Unavailable("This node is starting or stopping and takes no writes; try again.")
        validate(command)
        done: asyncio.Future[tuple[Reply, Stages]] = self._loop.create_future()
        if not self._gathered:
            # At the end of this round of the loop, so that all who are ready go in one hand-over.
            self._loop.call_soon(self._hand_over)
        self._gathered.append(Proposal(command, done))
        self._pending += 1
        reply, stages = await done
        passed(stages)
        return reply

    async def read_index(self) -> int:
        """The applied index; the store of a single node is always as new as its log."""
        return self._figures.applied.index

    async def snapshot(self) -> SnapshotFacts:
        """A durable snapshot that holds at least every entry acknowledged before the call."""
        wanted = self._figures.applied.index
        while self._latest is None or self._latest.index < wanted:
            info = await asyncio.shield(self._building())
            if info.index >= wanted:
                return snapshot_facts(info)
        return snapshot_facts(self._latest)

    async def transfer_leader(self, to: int | None) -> Transfer:
        """Always refused: there is no other node."""
        this = self._node.node_id
        if to not in (None, this):
            raise InvalidRequest(f"to is {to}, which is not a voter; the voters are [{this}].")
        raise Conflict(
            f"Node {this} is the leader already."
            if to == this
            else f"Node {this} is the only voter, so there is no other to hand leadership to."
        )

    def status(self) -> ClusterStatus:
        """The live view; after ``stop`` the last one."""
        if self._state == "Leader":
            self._db_size = self._store.size()
        last = LogId(*self._figures.applied)
        leads = self._state == "Leader"
        return ClusterStatus(
            node=self._node,
            state=self._state,
            term=last.term,
            last_log_index=last.index,
            last_applied=last,
            purged=last if last.index else None,
            snapshot=None if self._latest is None else snapshot_facts(self._latest),
            leader=self._node if leads else None,
            voters=(self._node,),
            non_voters=(),
            last_seq=self._figures.seq,
            key_count=self._figures.key_count,
            db_size=self._db_size,
            log_size=0,  # an entry is applied as it is written; no log is kept beside the store
            replication={self._node.node_id: last} if leads else {},
        )

    def leader_elsewhere(self) -> str | None:
        """There is no other node."""
        return None

    def counters(self) -> LogCounters:
        """Counts since start."""
        return LogCounters(
            proposals_pending=self._pending,
            proposals_failed=self._failed,
            leader_changes=self._leader_changes,
            snapshot_building=self._snapshot_task is not None,
            snapshot_written_entries=self._snapshot_entries,
            store_write_failed=dict(self._store.failures.writes),
            store_read_failed=dict(self._store.failures.reads),
            acknowledged_at=self._acknowledged_at,
        )

    def subscribe(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        """Call ``listener`` for each applied command, before its proposer hears of it."""
        return self._listeners.add(listener)

    def _hand_over(self) -> None:
        if self._gathered and self._committer is not None:
            self._committer.put(self._gathered)
            self._gathered = []

    def _resolve(self, batch: Batch) -> None:
        proposals, results, figures, stages = batch
        applied = figures.applied
        failed = sum(isinstance(result, MetaError) for result in results)
        index = applied.index - (len(results) - failed)
        for result in results if self._listeners else ():
            if not isinstance(result, MetaError):
                index += 1
                self._listeners.tell(Applied(LogId(applied.term, applied.node_id, index), *result))
        self._figures = figures
        self._pending -= len(proposals)
        self._failed += failed
        if failed < len(proposals):
            self._acknowledged_at = time.monotonic()
        for (_, done), result in zip(proposals, results, strict=True):
            if done.done():
                continue  # its caller was cancelled; the command is applied all the same
            if isinstance(result, MetaError):
                done.set_exception(_again(result))
            else:
                done.set_result((result[0], stages))
        self._snapshot_if_due()

    def _snapshot_if_due(self) -> None:
        since = self._figures.applied.index - (0 if self._latest is None else self._latest.index)
        if (
            since >= self._snapshot_every
            and self._snapshot_task is None
            and self._state == "Leader"
            and time.monotonic() >= self._snapshot_rest_until
        ):
            self._building()

    def _building(self) -> "asyncio.Task[SnapshotInfo]":
        if self._snapshot_task is None:
            if self._state != "Leader":
                raise Unavailable("This node is starting or stopping and takes no snapshots; try again.")
            task = self._snapshot_task = self._loop.create_task(self._build())
            # An automatic one has no caller; its failure was logged.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return self._snapshot_task

    async def _build(self) -> SnapshotInfo:
        started = time.monotonic()
        try:
            info = await self._loop.run_in_executor(
                self._snapshot_thread, self._snapshots.create, self._store, self._clock_ms()
            )
        except MetaError as failure:
            _log.error("No snapshot was written: %s", failure)
            raise
        else:
            self._latest = info
            self._snapshot_entries += info.key_count
            return info
        finally:
            now = time.monotonic()
            self._snapshot_rest_until = now + _SNAPSHOT_REST * (now - started)
            self._snapshot_task = None


def _again(failure: MetaError) -> MetaError:
    """An equal error for one more raiser: shared, it would gather all their tracebacks."""
    return type(failure)(str(failure))
