"""A new state for a node whose store the log does not lead on from: a snapshot, another node's or its own."""

import asyncio
import logging

from diag.errors import MetaError, Unavailable
from diag.kv.snapshot import SnapshotInfo, SnapshotStore, open_snapshot
from diag.replication.beginning import is_of
from diag.replication.peers import GrpcPeers
from diag.replication.snapshot_fetch import fetch_snapshot

_PAUSE = 1.0

_log = logging.getLogger(__name__)


class Renewal:
    """Finds a snapshot of the log of ``cluster`` for node ``node_id``, within ``patience`` seconds."""

    def __init__(
        self, peers: GrpcPeers, snapshots: SnapshotStore, node_id: int, cluster: bytes, patience: float
    ) -> None:
        self._peers = peers
        self._snapshots = snapshots
        self._node_id = node_id
        self._cluster = cluster
        self._patience = patience

    async def find(self) -> SnapshotInfo:
        """The newest that another node has; its own for a cluster's only node. Unavailable when none came."""
        failure: MetaError = Unavailable("there is no other node, and this one holds none.")
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    try:
                        return await self._look()
                    except Unavailable as unavailable:
                        failure = unavailable
                        _log.warning("%s", failure)
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise Unavailable(f"No snapshot came within {self._patience:g} s: {failure}") from None

    async def _look(self) -> SnapshotInfo:
        others = self._peers.others(self._node_id)
        if others:
            info = await fetch_snapshot(others, self._snapshots, self._node_id)
        else:
            latest = self._snapshots.latest()
            if latest is None:
                raise Unavailable("there is no other node, and this one holds no snapshot.")
            info = latest
        # A node that was one of its own keeps snapshots of that time, which the log does not go on from.
        if not await asyncio.to_thread(self._fits, info):
            raise Unavailable(f"the newest snapshot, {info.position}, is not of the cluster's log.")
        return info

    def _fits(self, info: SnapshotInfo) -> bool:
        with open_snapshot(info.path) as store:
            return is_of(store, self._cluster)
