"""Write transactions: the next state of the store in the making."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb

from diag.kv import directory
from diag.kv.codec import encode
from diag.kv.keys import ROOT, KeyTree
from diag.kv.reading import ReadTxn
from diag.kv.records import Record
from diag.kv.state import EXPIRY_KEY, FEATURES, LOG, MAX_ROOT, STATE, Position, Tables

#: An expiry beyond every clock.
_NEVER: Final = 1 << 65


class WriteTxn(ReadTxn):
    """A state in the making: what ``apply`` works on. Nothing is seen by others before the commit."""

    def __init__(
        self, txn: "lmdb.Transaction[memoryview]", tables: Tables, env: lmdb.Environment, path: Path
    ) -> None:
        super().__init__(txn, tables)
        self._env = env
        self._path = path
        self._first_expiry: int | None = None

    def put(self, key: str, record: Record) -> None:
        """Write a record; the expiry index is the caller's to keep."""
        name = key.encode()
        if len(name) <= MAX_ROOT:
            self._txn.put(ROOT + name, encode(record), db=self._tables.records)
        else:
            self._tree.put(name, encode(record))

    def delete(self, key: str) -> None:
        """Remove a record; absent is fine."""
        name = key.encode()
        if len(name) <= MAX_ROOT:
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
        self._txn.put(FEATURES, json.dumps(sorted(enabled)).encode(), db=self._tables.meta)

    def set_log_state(self, row: bytes) -> None:
        """Replace what the log's engine keeps; empty for nothing."""
        if row:
            self._txn.put(LOG, row, db=self._tables.meta)
        else:
            self._txn.delete(LOG, db=self._tables.meta)

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
            self._first_expiry = int(EXPIRY_KEY.unpack(cursor.key())[0]) if cursor.first() else _NEVER
        return self._first_expiry

    def index_expiry(self, expire_ms: int, seq: int, key: str) -> None:
        """Add a key to the expiry index."""
        self._txn.put(EXPIRY_KEY.pack(expire_ms, seq), key.encode(), db=self._tables.expiry)
        if self._first_expiry is not None and expire_ms < self._first_expiry:
            self._first_expiry = expire_ms

    def unindex_expiry(self, expire_ms: int, seq: int) -> None:
        """Remove a key from the expiry index."""
        self._txn.delete(EXPIRY_KEY.pack(expire_ms, seq), db=self._tables.expiry)
        if expire_ms == self._first_expiry:
            self._first_expiry = None

    def finish(self) -> None:
        """Write the state row; the store calls it before the commit."""
        self._state.nodes = self._tree.nodes
        self._txn.put(STATE, self._state.pack(), db=self._tables.meta)
