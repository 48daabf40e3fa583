"""Reads as clients see them: what has expired by the clock handed in is hidden, purged or not."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from diag.kv.expiry import is_expired
from diag.kv.records import Record
from diag.kv.store import Store

#: A page ends early once its data reach this many bytes, so that one page stays small.
PAGE_BYTES = 4 << 20


class Page(NamedTuple):
    """Some records in byte order; ``after`` goes into the next call, None when the end was reached.

    A page may hold fewer records than asked for, even none, while ``after`` is set.
    """

    records: list[tuple[str, Record]]
    after: str | None


class Reader:
    """Each call is one short read transaction on the newest committed state."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str, now_ms: int) -> Record | None:
        """The live record of a key; a key too long to exist is absent."""
        with self._store.read() as txn:
            record = txn.get(key)
        return None if record is None or is_expired(record, now_ms) else record

    def mget(self, keys: Sequence[str], now_ms: int) -> list[Record | None]:
        """One entry for each key, in order, duplicates repeated, all of one state."""
        if not keys:
            return []
        with self._store.read() as txn:
            found = [txn.get(key) for key in keys]
        return [None if record is None or is_expired(record, now_ms) else record for record in found]

    def page(self, prefix: str, after: str | None, limit: int, now_ms: int) -> Page:
        """Live records whose key starts with ``prefix`` and is above ``after``."""
        with self._store.read() as txn:
            return _page(txn.scan(prefix, after, limit), limit, now_ms)

    def count_prefix(self, prefix: str, now_ms: int) -> int:
        """How many live keys start with ``prefix``."""
        with self._store.read() as txn:
            return sum(not is_expired(record, now_ms) for _, record in txn.scan(prefix))

    def features(self) -> tuple[str, ...]:
        """The enabled features, sorted."""
        with self._store.read() as txn:
            return txn.features()


def _page(scan: Iterator[tuple[str, Record]], limit: int, now_ms: int) -> Page:
    live: list[tuple[str, Record]] = []
    size = 0
    for seen, (key, record) in enumerate(scan, 1):
        if not is_expired(record, now_ms):
            live.append((key, record))
            size += len(record.data)
        if seen == limit or size >= PAGE_BYTES:
            return Page(live, key)
    return Page(live, None)
