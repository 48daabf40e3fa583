"""The store: a data directory behind a few methods, in LMDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import lmdb

from diag.errors import NoSpace, StoreError
from diag.kv import directory
from diag.kv.failures import StoreFailures, counted
from diag.kv.reading import Pin, Reading
from diag.kv.state import Tables
from diag.kv.writing import WriteTxn

#: Address space only: the file is sparse and grows with what is in it.
DEFAULT_MAP_SIZE = 64 << 30


class Store:
    """A data directory opened by this process; ``node_id`` is whose it is, None when nobody's yet.

    ``failures`` counts what the engine or the disk refused.
    """

    def __init__(
        self, path: Path, env: lmdb.Environment, lock: directory.DirectoryLock, readonly: bool
    ) -> None:
        self.path = path
        self.node_id = directory.owner(path)
        self.failures = StoreFailures()
        self._env = env
        self._lock = lock
        self._readonly = readonly
        self._closed = False
        self._page_size = int(env.stat()["psize"])
        names = (b"records", b"expiry", b"meta")
        self._tables = Tables(*(env.open_db(name, create=not readonly) for name in names))

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        node_id: int | None = None,
        map_size: int = DEFAULT_MAP_SIZE,
        readonly: bool = False,
        sync: bool = True,
    ) -> Self:
        """Open a store, making it when the directory holds none and ``readonly`` is not asked.

        ``node_id`` is whose it must be; a directory of nobody becomes that node's. ``map_size``
        is the most the data may grow to, in bytes. ``sync=False`` drops durability, for a copy
        that is thrown away when building it fails. Raises ``DirectoryInUse``, ``OtherNode``,
        ``NewerFormat``, ``Damaged`` or ``NoSpace``; the directory is then as it was.
        """
        with directory.explained(path):
            if not readonly:
                path.mkdir(parents=True, exist_ok=True)
            lock = directory.DirectoryLock(path, shared=readonly)
        try:
            with directory.explained(path):
                return cls._open_locked(path, lock, node_id, map_size, readonly, sync)
        except BaseException:
            lock.close()
            raise

    @classmethod
    def _open_locked(
        cls,
        path: Path,
        lock: directory.DirectoryLock,
        node_id: int | None,
        map_size: int,
        readonly: bool,
        sync: bool,
    ) -> Self:
        new = not readonly and directory.is_new(path)
        if new:
            directory.write_format(path, ready=False)
        else:
            directory.check(path)
            if node_id is not None:
                directory.check_owner(path, node_id)
        env = lmdb.open(
            str(path),
            map_size=map_size,
            max_dbs=4,
            max_readers=1024,
            readonly=readonly,
            # Our own lock keeps writers away from a reader's directory, which may be unwritable.
            lock=not readonly,
            sync=sync,
            create=new,
            lib_version=0,
        )
        try:
            info = env.info()
            if not new:
                directory.check_length(path, info["last_pgno"] + 1, env.stat()["psize"])
            store = cls(path, env, lock, readonly)
        except BaseException:
            env.close()
            raise
        if new or (node_id is not None and store.node_id is None):
            directory.write_format(path, ready=True, node_id=node_id)
            store.node_id = node_id
        return store

    def read(self) -> Reading:
        """A read transaction; any thread, any number, never waiting for a writer."""
        self._refuse_closed()
        return Reading(self.path, self._env, self._tables, self.failures.reads)

    @contextmanager
    def write(self) -> Iterator[WriteTxn]:
        """A write transaction, durable when the block ends, undone when it raises."""
        self._refuse_closed()
        if self._readonly:
            raise NoSpace(f"{self.path} is open for reading only; open it for writing to change it.")
        with (
            counted(self.failures.writes, "apply"),
            directory.explained(self.path),
            self._env.begin(write=True, buffers=True) as txn,
        ):
            made = WriteTxn(txn, self._tables, self._env, self.path)
            yield made
            made.finish()

    def size(self) -> int:
        """Bytes of the pages the store uses on disk."""
        self._refuse_closed()
        return (int(self._env.info()["last_pgno"]) + 1) * self._page_size

    def pin(self) -> Pin:
        """Hold the state as it is now for ``copy_to``; release it soon, pages are not reused meanwhile."""
        self._refuse_closed()
        with counted(self.failures.reads, "pin"), directory.explained(self.path):
            return Pin(self._env.begin(buffers=True))

    def copy_to(self, target: Path, pin: Pin | None = None) -> None:
        """Write a compact copy of one state, by default the newest, into an existing, empty directory.

        Writers go on.
        """
        self._refuse_closed()
        with counted(self.failures.writes, "snapshot"), directory.explained(target):
            self._env.copy(str(target), compact=True, txn=None if pin is None else pin.txn)
            directory.write_format(target, ready=True, node_id=self.node_id)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def sync(self) -> None:
        """Wait until the disk has everything; for a store opened with ``sync=False``."""
        self._refuse_closed()
        with counted(self.failures.writes, "sync"), directory.explained(self.path):
            self._env.sync(True)

    def close(self) -> None:
        """Let the directory go; idempotent. No transaction may be open."""
        if not self._closed:
            self._closed = True
            self._env.close()
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        # The engine crashes the process when used after its map is gone.
        if self._closed:
            raise StoreError(f"The store in {self.path} is closed.")
