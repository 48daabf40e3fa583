"""Read transactions: one state of the store, in keys and records.

Reads never wait for writes; a transaction that stays open keeps the engine from reusing pages, so they are
to be short.
"""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import lmdb

from diag.kv import directory
from diag.kv.codec import decode
from diag.kv.failures import counted
from diag.kv.keys import ROOT, KeyTree, after_all
from diag.kv.records import Record
from diag.kv.state import EXPIRY_KEY, FEATURES, LOG, MAX_ROOT, STATE, Position, State, Tables


class ReadTxn:
    """One state of the store. Used on one thread at a time; nothing here hides the expired."""

    def __init__(self, txn: "lmdb.Transaction[memoryview]", tables: Tables) -> None:
        self._txn = txn
        self._tables = tables

    @cached_property
    def _state(self) -> State:
        row = self._txn.get(STATE, db=self._tables.meta)
        return State() if row is None else State.unpack(row)

    @cached_property
    def _tree(self) -> KeyTree:
        return KeyTree(self._txn, self._tables.records, self._state.nodes)

    def get(self, key: str) -> Record | None:
        """The record of a key, expired or not."""
        name = key.encode()
        if len(name) <= MAX_ROOT:
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
            expire_ms, seq = EXPIRY_KEY.unpack(place)
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
        row = self._txn.get(FEATURES, db=self._tables.meta)
        return () if row is None else tuple(json.loads(bytes(row)))

    def log_state(self) -> bytes:
        """What the log's engine keeps with the state; empty when it keeps nothing."""
        row = self._txn.get(LOG, db=self._tables.meta)
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


class Reading:
    """A read transaction as a context. A class, not a generator: one is made for every read."""

    __slots__ = ("_env", "_failures", "_path", "_tables", "_txn")

    def __init__(self, path: Path, env: lmdb.Environment, tables: Tables, failures: Counter[str]) -> None:
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
        with counted(self._failures, "read"), directory.explained(self._path):
            raise failure


class Pin:
    """One state of a store, held. Release it on any thread, before the store is closed."""

    def __init__(self, txn: "lmdb.Transaction[memoryview]") -> None:
        self.txn = txn

    def release(self) -> None:
        """Let the state go; idempotent."""
        self.txn.abort()
