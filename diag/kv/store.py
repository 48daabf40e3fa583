"""The store: LMDB behind a few methods, in keys and records.

Three tables: ``records`` (a ``KeyTree``), ``expiry`` ((expire_ms, seq) -> key) and
``meta``, one row that is written in the transaction of the entries it counts.
Reads never wait for writes and see one state; a read transaction that stays open
keeps the engine from reusing pages, so they are to be short.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from struct import Struct
from typing import NamedTuple, NoReturn, Self

import lmdb

from diag.errors import NoSpace, StoreError
from diag.kv import directory
from diag.kv.codec import decode, encode
from diag.kv.keys import DIRECT, ROOT, KeyTree, Nodes, after_all
from diag.kv.records import Record

#: Address space only: the file is sparse and grows with what is in it.
DEFAULT_MAP_SIZE = 64 << 30

_STATE = b"state"
_FEATURES = b"features"
_LOG = b"log"
_STATE_ROW = Struct("<QQQQQQQ")
_EXPIRY_KEY = Struct(">QQ")
_MAX_ROOT = DIRECT - len(ROOT)
_NEVER = 1 << 65


class Position(NamedTuple):
    """The last applied entry's place in the log; zeros when there is none."""

    term: int = 0
    node_id: int = 0
    index: int = 0  # type: ignore[assignment]  # the log's own term, over tuple.index


class _Tables(NamedTuple):
    records: "lmdb._Database"
    expiry: "lmdb._Database"
    meta: "lmdb._Database"


@dataclass
class _State:
    """The ``meta`` table's row of figures."""

    applied: Position = field(default_factory=Position)
    seq: int = 0
    log_time: int = 0
    nodes: Nodes = field(default_factory=Nodes)

    @classmethod
    def unpack(cls, row: memoryview) -> "_State":
        fields = _STATE_ROW.unpack(row)
        return cls(Position(*fields[:3]), fields[3], fields[4], Nodes(*fields[5:]))

    def pack(self) -> bytes:
        return _STATE_ROW.pack(*self.applied, self.seq, self.log_time, *self.nodes)


class ReadTxn:
    """One state of the store. Used on one thread at a time; nothing here hides the expired."""

    def __init__(self, txn: "lmdb.Transaction[memoryview]", tables: _Tables) -> None:
        self._txn = txn
        self._tables = tables

    @cached_property
    def _state(self) -> _State:
        row = self._txn.get(_STATE, db=self._tables.meta)
        return _State() if row is None else _State.unpack(row)

    @cached_property
    def _tree(self) -> KeyTree:
        return KeyTree(self._txn, self._tables.records, self._state.nodes)

    def get(self, key: str) -> Record | None:
        """The record of a key, expired or not."""
        name = key.encode()
        if len(name) <= _MAX_ROOT:
            stored = self._txn.get(ROOT + name, db=self._tables.records)
        else:
            stored = self._tree.get(name)
        return None if stored is None else decode(stored)

    def scan(
        self, prefix: str = "", after: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[str, Record]]:
        """Records whose key starts with ``prefix`` and is above ``after``, in byte order."""
        low = prefix.encode()
        return self._records(low, after_all(low), after, limit)

    def scan_range(
        self, start: str, end: str, after: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[str, Record]]:
        """Records with ``start <= key < end`` and above ``after``, in byte order."""
        return self._records(start.encode(), end.encode(), after, limit)

    def raw_items(self) -> Iterator[tuple[bytes, memoryview]]:
        """Every key and stored form, in byte order."""
        return self._tree.walk(b"", None)

    def count_prefix(self, prefix: str, at_most: int | None = None) -> int:
        """How many keys start with ``prefix``, counted up to ``at_most``."""
        if not prefix and at_most is None:
            return self.key_count()
        low = prefix.encode()
        count = 0
        for _ in self._tree.walk(low, after_all(low)):
            if count == at_most:
                break
            count += 1
        return count

    def key_count(self) -> int:
        """All keys, expired ones not yet purged included."""
        # Each node besides the root costs one marker, which is an entry but no key.
        return int(self._txn.stat(self._tables.records)["entries"]) - self._tree.nodes.alive

    def expire_count(self) -> int:
        """Keys that have an expiry."""
        return int(self._txn.stat(self._tables.expiry)["entries"])

    def expiries(self) -> Iterator[tuple[int, int, str]]:
        """(expire_ms, seq, key), in the order in which they are purged."""
        for place, key in self._txn.cursor(self._tables.expiry):
            expire_ms, seq = _EXPIRY_KEY.unpack(place)
            yield expire_ms, seq, str(key, "utf-8")

    def applied(self) -> Position:
        """The last applied entry."""
        return self._state.applied

    def seq(self) -> int:
        """The seq of the last record written."""
        return self._state.seq

    def log_time_ms(self) -> int:
        """The log time of the last applied entry."""
        return self._state.log_time

    def features(self) -> tuple[str, ...]:
        """The enabled features, sorted."""
        row = self._txn.get(_FEATURES, db=self._tables.meta)
        return () if row is None else tuple(json.loads(bytes(row)))

    def log_state(self) -> bytes:
        """What the log's engine keeps with the state; empty when it keeps nothing."""
        row = self._txn.get(_LOG, db=self._tables.meta)
        return b"" if row is None else bytes(row)

    def _records(
        self, low: bytes, high: bytes | None, after: str | None, limit: int | None
    ) -> Iterator[tuple[str, Record]]:
        if after is not None:
            low = max(low, after.encode() + b"\x00")
        if limit is not None and limit <= 0:
            return
        left = limit
        for key, stored in self._tree.walk(low, high):
            yield key.decode(), decode(stored)
            if left is not None:
                left -= 1
                if left == 0:
                    return


class WriteTxn(ReadTxn):
    """A state in the making: what ``apply`` works on. Nothing is seen by others before the commit."""

    def __init__(
        self, txn: "lmdb.Transaction[memoryview]", tables: _Tables, env: lmdb.Environment, path: Path
    ) -> None:
        super().__init__(txn, tables)
        self._env = env
        self._path = path
        self._first_expiry: int | None = None

    def put(self, key: str, record: Record) -> None:
        """Write a record; the expiry index is the caller's to keep."""
        name = key.encode()
        if len(name) <= _MAX_ROOT:
            self._txn.put(ROOT + name, encode(record), db=self._tables.records)
        else:
            self._tree.put(name, encode(record))

    def delete(self, key: str) -> None:
        """Remove a record; absent is fine."""
        name = key.encode()
        if len(name) <= _MAX_ROOT:
            self._txn.delete(ROOT + name, db=self._tables.records)
        else:
            self._tree.delete(name)

    def next_seq(self) -> int:
        """Advance the counter of writes."""
        self._state.seq += 1
        return self._state.seq

    def set_seq(self, seq: int) -> None:
        """Set the counter, as an import does."""
        self._state.seq = seq

    def set_applied(self, position: Position) -> None:
        """Record the last applied entry."""
        self._state.applied = position

    def advance_log_time(self, log_time_ms: int) -> int:
        """The log time to apply at: the one given, but never one before an earlier entry's."""
        if log_time_ms > self._state.log_time:
            self._state.log_time = log_time_ms
        return self._state.log_time

    def set_features(self, enabled: tuple[str, ...]) -> None:
        """Replace the enabled features."""
        self._txn.put(_FEATURES, json.dumps(sorted(enabled)).encode(), db=self._tables.meta)

    def set_log_state(self, row: bytes) -> None:
        """Replace what the log's engine keeps; empty for nothing."""
        if row:
            self._txn.put(_LOG, row, db=self._tables.meta)
        else:
            self._txn.delete(_LOG, db=self._tables.meta)

    @contextmanager
    def attempt(self) -> Iterator["WriteTxn"]:
        """Changes that are undone alone when the block raises. Nothing else may be done meanwhile."""
        self.finish()
        # The engine's own errors leave in this service's: they are the disk's fault, not the block's.
        with (
            directory.explained(self._path),
            self._env.begin(write=True, buffers=True, parent=self._txn) as txn,
        ):
            made = WriteTxn(txn, self._tables, self._env, self._path)
            yield made
            made.finish()
        self._state = made._state
        self._tree = KeyTree(self._txn, self._tables.records, self._state.nodes)
        self._first_expiry = None

    def first_expiry(self) -> int:
        """The earliest expiry in ms, or one beyond every clock; looked up once per change of it."""
        if self._first_expiry is None:
            cursor = self._txn.cursor(self._tables.expiry)
            self._first_expiry = int(_EXPIRY_KEY.unpack(cursor.key())[0]) if cursor.first() else _NEVER
        return self._first_expiry

    def index_expiry(self, expire_ms: int, seq: int, key: str) -> None:
        """Add a key to the expiry index."""
        self._txn.put(_EXPIRY_KEY.pack(expire_ms, seq), key.encode(), db=self._tables.expiry)
        if self._first_expiry is not None and expire_ms < self._first_expiry:
            self._first_expiry = expire_ms

    def unindex_expiry(self, expire_ms: int, seq: int) -> None:
        """Remove a key from the expiry index."""
        self._txn.delete(_EXPIRY_KEY.pack(expire_ms, seq), db=self._tables.expiry)
        if expire_ms == self._first_expiry:
            self._first_expiry = None

    def finish(self) -> None:
        """Write the state row; the store calls it before the commit."""
        self._state.nodes = self._tree.nodes
        self._txn.put(_STATE, self._state.pack(), db=self._tables.meta)


@dataclass(frozen=True)
class StoreFailures:
    """How often the engine or the disk failed since the store was opened, by what it failed in."""

    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)


@contextmanager
def _counted(failures: Counter[str], function: str) -> Iterator[None]:
    try:
        yield
    except StoreError:
        failures[function] += 1
        raise


class Reading:
    """A read transaction as a context. A class, not a generator: one is made for every read."""

    __slots__ = ("_env", "_failures", "_path", "_tables", "_txn")

    def __init__(self, path: Path, env: lmdb.Environment, tables: _Tables, failures: Counter[str]) -> None:
        self._path = path
        self._env = env
        self._tables = tables
        self._failures = failures

    def __enter__(self) -> ReadTxn:
        try:
            self._txn = self._env.begin(buffers=True)
        except lmdb.Error as failure:
            self._fail(failure)
        return ReadTxn(self._txn, self._tables)

    def __exit__(self, _kind: object, failure: BaseException | None, _traceback: object) -> None:
        self._txn.abort()
        if isinstance(failure, lmdb.Error):
            self._fail(failure)

    def _fail(self, failure: lmdb.Error) -> NoReturn:
        with _counted(self._failures, "read"), directory.explained(self._path):
            raise failure


class Pin:
    """One state of a store, held. Release it on any thread, before the store is closed."""

    def __init__(self, txn: "lmdb.Transaction[memoryview]") -> None:
        self.txn = txn

    def release(self) -> None:
        """Let the state go; idempotent."""
        self.txn.abort()


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
        self._tables = _Tables(*(env.open_db(name, create=not readonly) for name in names))

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

    def read(self) -> "Reading":
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
            _counted(self.failures.writes, "apply"),
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

    def pin(self) -> "Pin":
        """Hold the state as it is now for ``copy_to``; release it soon, pages are not reused meanwhile."""
        self._refuse_closed()
        with _counted(self.failures.reads, "pin"), directory.explained(self.path):
            return Pin(self._env.begin(buffers=True))

    def copy_to(self, target: Path, pin: "Pin | None" = None) -> None:
        """Write a compact copy of one state, by default the newest, into an existing, empty directory.

        Writers go on.
        """
        self._refuse_closed()
        with _counted(self.failures.writes, "snapshot"), directory.explained(target):
            self._env.copy(str(target), compact=True, txn=None if pin is None else pin.txn)
            directory.write_format(target, ready=True, node_id=self.node_id)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def sync(self) -> None:
        """Wait until the disk has everything; for a store opened with ``sync=False``."""
        self._refuse_closed()
        with _counted(self.failures.writes, "sync"), directory.explained(self.path):
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
