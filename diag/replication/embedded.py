"""A node of its own, put together: its store, and the log that is kept in it."""

from collections.abc import Callable

from diag.config.model import RaftConfig
from diag.errors import StoreError
from diag.kv.directory import DATA_DIR, SNAPSHOT_DIR
from diag.kv.replacement import recover
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import NodeAddress
from diag.replication.digest_apart import digest_apart
from diag.replication.local import LocalLog


class EmbeddedEngine:
    """``start`` raises with nothing left open; then ``store`` and ``log`` are there."""

    store: Store
    log: LocalLog

    def __init__(self, raft: RaftConfig, node: NodeAddress, clock_ms: Callable[[], int]) -> None:
        self._raft = raft
        self._node = node
        self._clock_ms = clock_ms
        self.snapshots = SnapshotStore(raft.raft_dir / SNAPSHOT_DIR, digest_apart)

    async def start(self) -> None:
        """Open the store and begin a term of office."""
        path = self._raft.raft_dir / DATA_DIR
        recover(path)
        self.store = Store.open(path, node_id=self._raft.id)
        try:
            self._refuse_clusters()
        except BaseException:
            self.store.close()
            raise
        every = self._raft.snapshot_logs_since_last
        self.log = LocalLog(self.store, self._node, self.snapshots, self._clock_ms, every)
        try:
            await self.log.start()
        except BaseException:
            self.store.close()
            raise

    def _refuse_clusters(self) -> None:
        """A cluster's state that went on alone would be taken for the cluster's own when it comes back."""
        with self.store.read() as txn:
            of_cluster = bool(txn.log_state())
        if of_cluster:
            raise StoreError(
                f"{self.store.path} is of a cluster's node; start it with --log-engine etcd. To make a node "
                "of its own from this state: diag export --raft-dir, and diag import into an empty directory."
            )

    async def stop(self) -> None:
        """Finish what was acknowledged, and close the store."""
        await self.log.stop()
