"""What a node of the cluster does by itself: snapshots when they are due, and a log that shrinks behind them.

Every node reports its own snapshots and compacts its own etcd; the leader's alone says when one is due.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from diag.errors import Damaged, MetaError
from diag.replication.applier import Applier
from diag.replication.cluster_snapshots import ClusterSnapshots, agreed, differs
from diag.replication.view import View

#: Seconds between looks.
_EVERY = 0.25
#: An automatic snapshot waits this many times as long as the last one took to build.
_REST = 9.0
#: Seconds after which the member's file is looked at again, and what failed is tried again.
_COMPACT_EVERY = 30.0

_log = logging.getLogger(__name__)


class Due(NamedTuple):
    """A snapshot is due after so many commands, or so many bytes of records, since the last one.

    The bytes are to be well below etcd's quota: without room no snapshot command can be written, and without
    a snapshot no room be made.
    """

    commands: int = 1024
    size: int = 256 << 20


class Housekeeping:
    """Of node ``node_id``. ``compact`` forgets etcd's history before a revision and keeps the member's file
    within its quota; it may take minutes, and is called again from time to time.
    """

    def __init__(
        self,
        node_id: int,
        applier: Applier,
        snapshots: ClusterSnapshots,
        view: View,
        compact: Callable[[int], Awaitable[object]],
        due: Due,
    ) -> None:
        self._node_id = node_id
        self._applier = applier
        self._snapshots = snapshots
        self._view = view
        self._compact = compact
        self._due = due
        self._compacting: asyncio.Task[None] | None = None
        self._compact_at = 0.0
        self._compacted = 0
        self._rest_until = 0.0

    async def run(self) -> None:
        """Look after all of it until cancelled. Damaged when this node's state is not the majority's."""
        try:
            while True:
                await asyncio.sleep(_EVERY)
                try:
                    await self._look()
                except Damaged:
                    raise
                except MetaError as failure:
                    _log.warning("Snapshots are looked after later: %s", failure)
        finally:
            if self._compacting is not None:
                self._compacting.cancel()
                await asyncio.wait([self._compacting])

    async def _look(self) -> None:
        voters = [node.node_id for node in self._view.seen.voters]
        await self._snapshots.report(self._applier.figures.ledger, self._node_id)
        ledger = self._applier.figures.ledger
        fault = differs(ledger, voters, self._node_id, self._snapshots.written)
        if fault is not None:
            raise fault
        found = agreed(ledger, voters)
        if found is not None and self._compacting is None:
            revision = found[0].revision
            if revision > self._compacted or time.monotonic() >= self._compact_at:
                self._compacting = asyncio.create_task(self._make_room(revision), name="log-compaction")
        if self._view.seen.state == "Leader" and self._is_due():
            await self._snapshot_then_rest()

    async def _make_room(self, revision: int) -> None:
        self._compacted = revision
        try:
            await self._compact(revision)
        except MetaError as failure:
            _log.warning("The log's history is made shorter later: %s", failure)
        finally:
            self._compact_at = time.monotonic() + _COMPACT_EVERY
            self._compacting = None

    async def _snapshot_then_rest(self) -> None:
        started = time.monotonic()
        try:
            await self._snapshots.snapshot()
        finally:
            now = time.monotonic()
            self._rest_until = now + _REST * (now - started)

    def _is_due(self) -> bool:
        if self._applier.bytes_since_mark >= self._due.size:
            return True
        figures = self._applier.figures
        last = figures.ledger.marks[-1].index if figures.ledger.marks else 0
        since = figures.applied.index - last
        return since >= self._due.commands and time.monotonic() >= self._rest_until
