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
from typing import Any, NamedTuple

from diag.errors import Conflict, Damaged, InvalidRequest, MetaError, NotLeader, Unavailable
from diag.kv.apply import validate
from diag.kv.commands import Blank, Command, Reply
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import Applied, ClusterStatus, LogCounters, LogId, NodeAddress, SnapshotFacts, Transfer
from diag.replication.applier import Applier
from diag.replication.cluster_snapshots import ClusterSnapshots, agreed, differs
from diag.replication.facts import snapshot_facts
from diag.replication.machine import Figures, Machine, Outcome
from diag.replication.proposer import Hints, Proposer
from diag.replication.read_index import ReadIndex
from diag.replication.record import LogCommand
from diag.replication.source import Head
from diag.replication.sources import Sources
from diag.replication.tail import Tail
from diag.replication.view import View

#: Seconds between looks at snapshots to report, to agree on and to take.
_HOUSEKEEPING = 0.25
#: An automatic snapshot waits this many times as long as the last one took to build.
_SNAPSHOT_REST = 9.0
_START_PAUSE = 0.1

_log = logging.getLogger(__name__)


class Ways(NamedTuple):
    """What the engine asks of the node's own member and of its peers.

    compact      forget etcd's history before a revision, and keep the member's file in order
    move_leader  hand the leadership from this node's member, which has it, to a member
    progress     how far the other nodes are, by node id
    """

    compact: Callable[[int], Awaitable[object]]
    move_leader: Callable[[int], Awaitable[object]]
    progress: Callable[[], Mapping[int, LogId]]


class ClusterLog:
    """One node's side of the cluster's log. ``failed`` says why the node cannot go on, when it cannot.

    ``strict_reads`` proves a read's age by an entry of the log in the place of etcd's own read index, for
    etcd older than 3.5.28. ``patience`` is seconds that a write or a read waits for a majority.
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
        snapshot_logs_since_last: int = 1024,
        patience: float = 10.0,
    ) -> None:
        self._store = store
        self._node = node
        self._clock_ms = clock_ms
        self._sources = sources
        self._view = view
        self._ways = ways
        self._strict = strict_reads
        self._every = snapshot_logs_since_last
        self._patience = patience
        self._snapshots = ClusterSnapshots(store, snapshots, self._submit, clock_ms)
        self._listeners: list[Callable[[Applied], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._state = "starting"
        self._compacted = 0
        self._rest_until = 0.0
        self._acknowledged_at = -math.inf
        self.failed: asyncio.Future[MetaError] = asyncio.get_running_loop().create_future()

    @property
    def reads_are_local(self) -> bool:
        """Never: another node may have acknowledged what is not here yet."""
        return False

    async def start(self) -> None:
        """Take up the log where the store ends, catch up with it, and enter it as a writer.

        Raises Compacted when it begins after the store's end (a snapshot is needed), Damaged when the log
        is another one or older than the store, Unavailable when no majority answers.
        """
        cluster = self._view.seen.cluster.to_bytes(8, "big")
        machine = Machine(self._store, cluster)
        ledger = machine.figures().ledger
        head = await self._first_head()
        self._check_history(cluster, ledger.cluster, ledger.version, head.version)
        self._tail = Tail(self._sources, ledger.version, ledger.revision)
        self._applier = Applier(machine, self._tail, self._hear)
        self._reads = ReadIndex(self._sources, self._applier.reach, self._patience)
        self._proposer = Proposer(
            self._node.node_id, self._sources, self._hints, self._tail.kick, self._patience
        )
        self._spawn(self._tail.run(), "log-tail")
        self._spawn(self._applier.run(), "log-applier")
        await self._or_failed(self._applier.reach(head.version))
        await self._or_failed(self._enter())
        self._spawn(self._proposer.run(), "log-proposer")
        self._spawn(self._keep_house(), "log-housekeeping")
        self._state = "running"

    async def stop(self) -> None:
        """Finish what was acknowledged, refuse the rest with Unavailable, close the store."""
        if self._state == "stopped":
            return
        started, self._state = self._state == "running", "stopped"
        if hasattr(self, "_proposer"):
            self._proposer.refuse(Unavailable("This node is stopping and takes no writes; ask another."))
            await self._reads.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "_applier"):
            await self._applier.stop()
        await self._snapshots.stop()
        if started:
            self._last_status = self._describe("Shutdown")
        self._store.close()

    async def propose(self, command: Command) -> Reply:
        """Order, make durable and apply. After Unavailable or NotInTime its fate is not known."""
        self._check_running()
        validate(command)
        return await self._proposer.propose(command)

    async def read_index(self) -> int:
        """The applied index, as new as anything acknowledged anywhere before the call."""
        self._check_running()
        if self._strict:
            await self._proposer.propose(Blank())
            return self._applier.figures.applied.index
        return await self._reads.wait()

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
        if to is not None and to not in voters:
            raise InvalidRequest(f"to is {to}, which is not a voter; the voters are {list(voters)}.")
        if to == this:
            raise Conflict(f"Node {this} is the leader already.")
        others = [node_id for node_id in voters if node_id != this]
        if not others:
            raise Conflict(f"Node {this} is the only voter, so there is no other to hand leadership to.")
        chosen = to if to is not None else min((i for i in others if i > this), default=others[0])
        member = seen.member(chosen)
        assert member is not None
        await self._ways.move_leader(member)
        return Transfer(this, chosen, voters)

    def status(self) -> ClusterStatus:
        """The live view; after ``stop`` the last one."""
        return self._last_status if self._state == "stopped" else self._describe(self._view.seen.state)

    def counters(self) -> LogCounters:
        """Counts since start."""
        return LogCounters(
            proposals_pending=self._proposer.pending,
            proposals_failed=self._proposer.failed,
            leader_changes=self._view.seen.facts.leader_changes,
            snapshot_building=self._snapshots.building,
            snapshot_written_entries=self._snapshots.entries_written,
            acknowledged_at=self._acknowledged_at,
        )

    def subscribe(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        """Call ``listener`` for each applied command, before its proposer hears of it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    async def _submit(self, command: LogCommand) -> Reply:
        self._check_running()
        return await self._proposer.propose(command)

    def _check_running(self) -> None:
        if self.failed.done():
            reason = self.failed.result()
            raise Unavailable(str(reason)) from reason
        if self._state != "running":
            raise Unavailable("This node is starting or stopping and takes no requests; ask another.")
        if self._applier.stuck is not None:
            raise type(self._applier.stuck)(str(self._applier.stuck))

    def _hints(self) -> Hints:
        seen = self._view.seen
        return Hints(self._clock_ms(), seen.term, seen.leader.node_id if seen.leader else 0)

    async def _first_head(self) -> Head:
        """Waits as long as its caller: a node that starts first waits for the others."""
        while True:
            try:
                return await self._sources.current.head()
            except Unavailable as failure:
                _log.info("The log cannot be reached yet: %s", failure)
                await asyncio.sleep(_START_PAUSE)

    def _check_history(self, cluster: bytes, known: bytes, version: int, head: int) -> None:
        path = self._store.path
        if known not in (b"", cluster):
            raise Damaged(
                f"{path} is of another cluster's log ({known.hex()}, this one is {cluster.hex()}). Give the "
                "node its own directory back, or an empty one to take this cluster's state."
            )
        if version > head:
            raise Damaged(
                f"{path} holds entry {version} and the log ends with {head}: etcd was restored to an older "
                "state. Start a new cluster from a backup, so that no write is told twice."
            )

    async def _enter(self) -> None:
        """Another process's entry may come between what is read here and this one's."""
        for _ in range(3):
            after, _number = self._applier.figures.ledger.writers.get(self._node.node_id, (b"", 0))
            try:
                return await self._proposer.enter(after)
            except Conflict:
                if self._applier.figures.ledger.writers.get(self._node.node_id, (b"", 0))[0] == after:
                    raise
        raise Conflict(f"Other processes write for node {self._node.node_id}; stop them.")

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            known = failure if isinstance(failure, MetaError) else Damaged(f"{task.get_name()}: {failure!r}")
            self._fail(known)

    def _fail(self, reason: MetaError) -> None:
        if not self.failed.done():
            _log.error("This node serves no more: %s", reason)
            self.failed.set_result(reason)
            self._proposer.refuse(Unavailable(str(reason)))

    async def _or_failed(self, work: Coroutine[object, object, object]) -> None:
        """Do the work, unless what it waits for fails first."""
        task = asyncio.ensure_future(work)
        either: list[asyncio.Future[Any]] = [task, self.failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            raise self.failed.result()
        await task

    def _hear(self, outcomes: Sequence[Outcome], figures: Figures) -> None:
        listeners = tuple(self._listeners)
        for outcome in outcomes:
            if listeners and outcome.taken:
                self._tell(listeners, outcome)
            if outcome.author.node_id == self._node.node_id:
                self._acknowledged_at = time.monotonic()
                self._proposer.came_back(outcome)
            if outcome.snapshot is not None:
                self._snapshots.begin(outcome.snapshot)

    def _tell(self, listeners: Sequence[Callable[[Applied], None]], outcome: Outcome) -> None:
        term, node_id, last = outcome.last
        for index, result in enumerate(outcome.results, last - len(outcome.results) + 1):
            if isinstance(result, MetaError):
                continue
            applied = Applied(LogId(term, node_id, index), *result)
            for listener in listeners:
                try:
                    listener(applied)
                except Exception:  # noqa: BLE001 - one listener must not stop the log
                    _log.exception("A listener failed")

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            try:
                await self._look_after_snapshots()
            except Unavailable as failure:
                _log.info("Snapshots are looked after later: %s", failure)

    async def _look_after_snapshots(self) -> None:
        seen = self._view.seen
        ledger = self._applier.figures.ledger
        voters = [node.node_id for node in seen.voters]
        await self._snapshots.report(ledger, self._node.node_id)
        fault = differs(ledger, voters, self._node.node_id)
        if fault is not None:
            self._fail(fault)
            return
        found = agreed(ledger, voters)
        if found is not None and found[0].revision > self._compacted:
            await self._ways.compact(found[0].revision)
            self._compacted = found[0].revision
        if seen.state == "Leader" and self._is_due():
            started = time.monotonic()
            await self._snapshots.snapshot()
            now = time.monotonic()
            self._rest_until = now + _SNAPSHOT_REST * (now - started)

    def _is_due(self) -> bool:
        figures = self._applier.figures
        last = figures.ledger.marks[-1].index if figures.ledger.marks else 0
        return figures.applied.index - last >= self._every and time.monotonic() >= self._rest_until

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
