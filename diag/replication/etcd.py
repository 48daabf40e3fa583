"""The cluster's engine: an ``OrderedLog`` on the history of one etcd key.

What is proposed becomes records, one in flight; what the log tells is applied in order, and its proposers
hear of it. Reads ask a majority how new the state must be. No node is special here: any may propose, and
the leader is etcd's.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from diag.errors import (
    Compacted,
    Damaged,
    MetaError,
    NotInTime,
    NotLeader,
    Unavailable,
)
from diag.kv.apply import validate
from diag.kv.commands import Blank, Command, Reply
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import Applied, ClusterStatus, LogCounters, LogId, NodeAddress, SnapshotFacts, Transfer
from diag.replication.applier import Applier
from diag.replication.cluster_snapshots import ClusterSnapshots, agreed
from diag.replication.entrance import Entrance
from diag.replication.facts import snapshot_facts
from diag.replication.housekeeping import Due, Housekeeping
from diag.replication.listeners import Listeners
from diag.replication.machine import Figures, Machine, Outcome
from diag.replication.proposer import Hints, Proposer
from diag.replication.read_index import ReadIndex
from diag.replication.record import LogCommand
from diag.replication.sources import Sources
from diag.replication.stages import passed
from diag.replication.successor import Ask, successor
from diag.replication.tail import Tail
from diag.replication.view import View

#: Seconds that a stop waits for what was proposed.
_FINISHING = 2.0

_log = logging.getLogger(__name__)


class Ways(NamedTuple):
    """What the engine asks of the node's own member and of its peers.

    compact      forget etcd's history before a revision, and keep the member's file in order
    move_leader  hand the leadership from this node's member, which has it, to a member
    progress     how far the other nodes are, by node id
    ask          a node, by its id, for a sign of life; Unavailable when it gives none
    """

    compact: Callable[[int], Awaitable[object]]
    move_leader: Callable[[int], Awaitable[object]]
    progress: Callable[[], Mapping[int, LogId]]
    ask: Ask


class ClusterLog:
    """One node's side of the cluster's log. ``failed`` says why the node cannot go on, when it cannot.

    ``strict_reads`` proves a read's age by an entry of the log in the place of etcd's own read index, for
    etcd older than 3.5.28. ``patience`` is seconds that a write or a read waits for a majority. ``due`` says
    when the leader has a snapshot made.
    """

    def __init__(
        self,
        store: Store,
        node: NodeAddress,
        snapshots: SnapshotStore,
        clock_ms: Callable[[], int],
        sources: Sources,
        view: View,
        ways: Ways,
        *,
        strict_reads: bool = False,
        due: Due = Due(),  # noqa: B008 - immutable
        patience: float = 10.0,
    ) -> None:
        self._store = store
        self._node = node
        self._clock_ms = clock_ms
        self._sources = sources
        self._view = view
        self._ways = ways
        self._strict = strict_reads
        self._patience = patience
        self._machine = Machine(store)
        ledger = self._machine.figures().ledger
        self._tail = Tail(sources, ledger.version, ledger.revision)
        self._applier = Applier(self._machine, self._tail, self._hear)
        self._reads = ReadIndex(sources, self._applier.reach, patience)
        self._proposer = Proposer(node.node_id, sources, self._hints, self._missed, patience)
        self._snapshots = ClusterSnapshots(store, snapshots, self._submit, clock_ms)
        self._house = Housekeeping(node.node_id, self._applier, self._snapshots, view, ways.compact, due)
        self._entrance = Entrance(node.node_id, store, sources, view, self._applier, self._proposer)
        self._listeners = Listeners()
        self._tasks: list[asyncio.Task[None]] = []
        self._state = "starting"
        self._acknowledged_at = -math.inf
        #: How often somebody ordered that leadership goes from here to another: no fault made it change.
        self.handed_over = 0
        self._last_status: ClusterStatus | None = None
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[MetaError] = loop.create_future()  # failed or stopped
        self.failed: asyncio.Future[MetaError] = loop.create_future()

    @property
    def reads_are_local(self) -> bool:
        """Never: another node may have acknowledged what is not here yet."""
        return False

    async def start(self) -> None:
        """Take up the log where the store ends, catch up with it, and enter it as a writer.

        Raises Compacted when it begins after the store's end (a snapshot is needed), Damaged when the log
        is another one or older than the store, Unavailable when no majority answers.
        """
        await self._unless_ended(self._take_up())
        self._spawn(self._proposer.run(), "log-proposer")
        self._spawn(self._house.run(), "log-housekeeping")
        self._state = "running"

    async def stop(self) -> None:
        """Finish what was proposed, refuse the rest with Unavailable, close the store."""
        if self._state == "stopped":
            return
        self._last_status = self._describe("Shutdown")
        was, self._state = self._state, "stopped"
        reason = Unavailable("This node is stopping; ask another. Whether this write was made is not known.")
        if was == "running" and not self._ended.done():
            await self._proposer.finish(reason, min(_FINISHING, self._patience))
        self._end(reason)
        self._last_status = self._describe("Shutdown")
        await self._reads.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._applier.stop()
        await self._snapshots.stop()
        self._store.close()

    async def propose(self, command: Command) -> Reply:
        """Order, make durable and apply. After Unavailable or NotInTime its fate is not known."""
        self._check_running()
        validate(command)
        proposed = self._proposer.propose(command)
        reply = await proposed
        passed(self._proposer.stages(proposed))
        return reply

    async def read_index(self) -> int:
        """The applied index, as new as anything acknowledged anywhere before the call."""
        self._check_running()
        if self._strict:
            await self._proposer.propose(Blank())
            index = self._applier.figures.applied.index
        else:
            index = await self._reads.wait()
        passed((("read index", perf_counter()),))
        return index

    async def snapshot(self) -> SnapshotFacts:
        """Every node writes one; this node's, durable."""
        self._check_running()
        return snapshot_facts(await self._snapshots.snapshot())

    async def transfer_leader(self, to: int | None) -> Transfer:
        """By etcd's own order, which only the leader's member takes."""
        seen = self._view.seen
        this = self._node.node_id
        voters = tuple(node.node_id for node in seen.voters)
        if seen.state != "Leader":
            leader = f"Some({seen.leader.node_id})" if seen.leader else "None"
            raise NotLeader(
                "This node is not the leader, so it has no leadership to hand over.\n"
                f"id={this}\ncurrent_leader={leader}\nvoter_ids={list(voters)}",
                seen.leader.grpc_advertise if seen.leader else None,
            )
        chosen = await successor(this, seen.voters, to, self._ways.ask)
        member = seen.member(chosen)
        assert member is not None
        try:
            await self._ways.move_leader(member)
        except NotInTime:
            raise NotInTime(f"Node {chosen} did not take the leadership in time; is it up?") from None
        self.handed_over += 1
        return Transfer(this, chosen, voters)

    def status(self) -> ClusterStatus:
        """The live view; after ``stop`` the last one."""
        return self._last_status or self._describe(self._view.seen.state)

    def leader_elsewhere(self) -> str | None:
        """Whose member leads etcd; it takes a write or a read with one way less."""
        leader = self._view.seen.leader
        return None if leader is None or leader.node_id == self._node.node_id else leader.grpc_advertise

    def counters(self) -> LogCounters:
        """Counts since start."""
        return LogCounters(
            proposals_pending=self._proposer.pending,
            proposals_failed=self._proposer.failed,
            leader_changes=self._view.seen.facts.leader_changes,
            snapshot_building=self._snapshots.building,
            snapshot_written_entries=self._snapshots.entries_written,
            store_write_failed=dict(self._store.failures.writes),
            store_read_failed=dict(self._store.failures.reads),
            acknowledged_at=self._acknowledged_at,
        )

    def subscribe(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        """Call ``listener`` for each applied command, before its proposer hears of it."""
        return self._listeners.add(listener)

    async def _submit(self, command: LogCommand) -> Reply:
        self._check_running()
        return await self._proposer.propose(command)

    def _check_running(self) -> None:
        if self.failed.done():
            reason = self.failed.result()
            raise Unavailable(str(reason)) from reason
        if self._state != "running":
            raise Unavailable("This node is starting or stopping and takes no requests; ask another.")
        self._applier.refuse_stuck()

    def _hints(self) -> Hints:
        seen = self._view.seen
        return self._clock_ms(), seen.term, seen.leader.node_id if seen.leader else 0

    def _missed(self, revision: int) -> None:
        self._tail.miss(revision=revision)

    async def _take_up(self) -> None:
        found = await self._entrance.find()
        self._machine.cluster = found.cluster
        self._spawn(self._tail.run(), "log-tail")
        self._spawn(self._applier.run(), "log-applier")
        await self._entrance.catch_up(found.version)
        await self._entrance.enter(found.version)

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._has_ended)
        self._tasks.append(task)

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            known = failure if isinstance(failure, MetaError) else Damaged(f"{task.get_name()}: {failure!r}")
            self._fail(known)

    def _fail(self, reason: MetaError) -> None:
        if not self.failed.done():
            if isinstance(reason, Compacted):
                _log.warning("This node fell behind the log: %s", reason)
            else:
                _log.error("This node serves no more: %s", reason)
            self.failed.set_result(reason)
            self._end(reason)

    def _end(self, reason: MetaError) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)
            self._reads.refuse()
            self._proposer.refuse(Unavailable(str(reason)))

    async def _unless_ended(self, work: Coroutine[object, object, None]) -> None:
        """Do the work, unless the node fails or stops first; the reason is then raised."""
        task = asyncio.create_task(work, name="log-start")
        either: list[asyncio.Future[Any]] = [task, self._ended]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if self._ended.done():
            if not task.cancelled():
                task.exception()
            raise self._ended.result()
        task.result()

    def _hear(self, outcomes: Sequence[Outcome], figures: Figures) -> None:
        for outcome in outcomes:
            if self._listeners and outcome.taken:
                self._tell(outcome)
            if outcome.author.node_id == self._node.node_id:
                if outcome.taken:
                    self._acknowledged_at = time.monotonic()
                self._proposer.came_back(outcome)
            if outcome.snapshot is not None:
                self._snapshots.begin(outcome.snapshot)

    def _tell(self, outcome: Outcome) -> None:
        term, node_id, last = outcome.last
        for index, result in enumerate(outcome.results, last - len(outcome.results) + 1):
            if not isinstance(result, MetaError):
                self._listeners.tell(Applied(LogId(term, node_id, index), *result))

    def _describe(self, state: str) -> ClusterStatus:
        seen, figures = self._view.seen, self._applier.figures
        last = LogId(*figures.applied)
        latest = self._snapshots.latest
        mark = agreed(figures.ledger, [node.node_id for node in seen.voters])
        return ClusterStatus(
            node=self._node,
            state="Shutdown" if self.failed.done() else state,
            term=max(seen.term, last.term),
            last_log_index=last.index + self._behind(),
            last_applied=last,
            purged=None if mark is None else LogId(last.term, last.node_id, mark[0].index),
            snapshot=None if latest is None else snapshot_facts(latest),
            leader=seen.leader,
            voters=seen.voters,
            non_voters=seen.non_voters,
            last_seq=figures.seq,
            key_count=figures.key_count,
            db_size=self._store.size(),
            log_size=seen.db_size,
            replication={**self._ways.progress(), self._node.node_id: last} if state == "Leader" else {},
        )

    def _behind(self) -> int:
        """Entries known to be in the log and not applied here: at least one command each."""
        return max(0, self._tail.version - self._applier.figures.ledger.version)
