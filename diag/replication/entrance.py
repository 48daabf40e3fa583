"""How a node that starts comes to its cluster's log: it finds it, catches up, and enters as a writer."""

import asyncio
import logging
from typing import NamedTuple

from diag.errors import Conflict, Damaged, Unavailable
from diag.kv.store import Store
from diag.replication.applier import Applier
from diag.replication.beginning import genesis_of, other_cluster
from diag.replication.proposer import Proposer
from diag.replication.record import BeginSnapshot, LogCommand
from diag.replication.source import Head
from diag.replication.sources import Sources
from diag.replication.view import View

#: Seconds between two tries of what others must make possible.
_PAUSE = 0.1
#: Tries at a place that another process of the same node may take meanwhile.
_TRIES = 3

_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """Whose log it is, and its last entry."""

    cluster: bytes
    version: int


class Entrance:
    """Of node ``node_id`` with its ``store``. The steps are taken in the order in which they stand here."""

    def __init__(
        self,
        node_id: int,
        store: Store,
        sources: Sources,
        view: View,
        applier: Applier,
        proposer: Proposer,
    ) -> None:
        self._node_id = node_id
        self._store = store
        self._sources = sources
        self._view = view
        self._applier = applier
        self._proposer = proposer

    async def find(self) -> Found:
        """The log's end, once it can be told; a node that starts first waits for the others, without end.

        Damaged when this store is of another log, or newer than this one.
        """
        head = await self._head()
        cluster = self._view.seen.cluster.to_bytes(8, "big")
        ledger = self._applier.figures.ledger
        if ledger.cluster not in (b"", cluster):
            raise other_cluster(self._store.path, ledger.cluster, cluster)
        if ledger.version > head.version:
            raise Damaged(
                f"{self._store.path} holds entry {ledger.version} and the log ends with {head.version}: etcd "
                "was restored to an older state. Start a new cluster from a backup, so that no write is told "
                "twice."
            )
        return Found(cluster, head.version)

    async def catch_up(self, version: int) -> None:
        """Apply what is there. A disk that refuses makes a start wait, as it makes a running node wait."""
        while True:
            try:
                await self._applier.reach(version)
            except Unavailable:
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def enter(self, version: int) -> None:
        """Become the node's writer. Another process's entry may come between what is read and this one's."""
        words = [] if version else await asyncio.to_thread(self._first_words)
        for _ in range(_TRIES):
            after = self._writer()
            try:
                return await self._proposer.enter(after, *words)
            except Conflict:
                if self._writer() == after:
                    raise
        raise Conflict(f"Other processes write for node {self._node_id}; stop them.")

    async def _head(self) -> Head:
        while True:
            try:
                source = self._sources.current
                try:
                    head = await source.head()
                except Unavailable:
                    self._sources.leave(source)
                    raise
                if self._view.seen.cluster:
                    return head
            except Unavailable as failure:
                _log.info("The log cannot be reached yet: %s", failure)
            await asyncio.sleep(_PAUSE)

    def _first_words(self) -> list[LogCommand]:
        """Of a log that is empty yet: others can join only with a snapshot of what it goes on from."""
        genesis = genesis_of(self._store)
        return [] if genesis is None else [genesis, BeginSnapshot()]

    def _writer(self) -> bytes:
        after, _number = self._applier.figures.ledger.writers.get(self._node_id, (b"", 0))
        return after
