"""The store of a cluster's node: written without waiting for the disk, renewed from a snapshot.

etcd has made every entry durable before it comes here, so the store need not: what a crash of the machine
spoils is taken from the last snapshot and the log again.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from diag.kv import boot
from diag.kv.replacement import Replacement
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.store import Store
from diag.replication.beginning import genesis_of

_log = logging.getLogger(__name__)


class State:
    """The store in ``path`` of node ``node_id``, with the snapshots beside it. For a thread."""

    def __init__(self, path: Path, snapshots: SnapshotStore, node_id: int) -> None:
        self.path = path
        self.snapshots = snapshots
        self._node_id = node_id
        self._boot = boot.boot_id()

    def open(self, now_ms: int | None = None) -> Store:
        """The store; the newest snapshot's when the machine went down while it was open.

        With the time it is opened for a log. A state older than that is in no log, so it is in a snapshot
        before anything is written without waiting for the disk.
        """
        if boot.is_doubtful(self.path, self._boot):
            _log.warning("The machine went down while %s was open: its state is taken anew", self.path)
            latest = self.snapshots.latest()
            if latest is None:
                shutil.rmtree(self.path)
            else:
                self.renew(latest)
        if not self._boot:
            return Store.open(self.path, node_id=self._node_id)
        store = _Unsynced.open(self.path, node_id=self._node_id, sync=False)
        try:
            if now_ms is not None:
                self._secure(store, now_ms)
            boot.mark(self.path, self._boot)
        except BaseException:
            store.close()
            raise
        return store

    def check(self, check: Callable[[Store], None]) -> None:
        """Have the store looked at by ``check``, which raises what is wrong with it."""
        with self.open() as store:
            check(store)

    def renew(self, info: SnapshotInfo) -> None:
        """Put a snapshot's state in the place of the store, which must be closed."""
        replacement = Replacement(self.path)
        try:
            self.snapshots.restore(info, replacement.store, self._node_id)
            replacement.put_in_place(keep_snapshots=True)
        finally:
            replacement.close()

    def _secure(self, store: Store, now_ms: int) -> None:
        genesis = genesis_of(store)
        if genesis is None:
            return
        if all(info.content_hash != genesis.content_hash for info in self.snapshots.all()):
            self.snapshots.create(store, now_ms)


class _Unsynced(Store):
    """Waits for the disk when it is closed, and only then."""

    def close(self) -> None:
        """Leave the store whole on the disk; idempotent."""
        if not self.closed:
            self.sync()
            super().close()
            boot.unmark(self.path)
