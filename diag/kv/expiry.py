"""Expiry: the index that follows each write, and the purge that precedes each entry.

Every decision here takes the log time; protocol section 3.3.
"""

from diag.kv.commands import Lifetime
from diag.kv.records import Change, Record, expiry_ms
from diag.kv.writing import WriteTxn

U64_MAX = (1 << 64) - 1


def expire_at(lifetime: Lifetime, log_time_ms: int) -> int | None:
    """The ``expire_at`` to store: a ttl counts from the log time in ms and wins over an absolute one."""
    at, ttl_ms = lifetime
    if ttl_ms is not None:
        return min(log_time_ms + ttl_ms, U64_MAX)
    return at


def indexed_ms(expire: int) -> int:
    """The moment an ``expire_at`` is indexed under; beyond u64 it is never reached."""
    return min(expiry_ms(expire), U64_MAX)


def is_expired(record: Record, now_ms: int) -> bool:
    """Strictly past: at its very moment a record is still alive."""
    expire = record.expire_at
    return expire is not None and expiry_ms(expire) < now_ms


def write(txn: WriteTxn, key: str, prev: Record | None, current: Record) -> None:
    """Replace ``prev`` by ``current`` in the records and in the index."""
    if prev is not None and prev.expire_at is not None:
        txn.unindex_expiry(indexed_ms(prev.expire_at), prev.seq)
    txn.put(key, current)
    if current.expire_at is not None:
        txn.index_expiry(indexed_ms(current.expire_at), current.seq, key)


def remove(txn: WriteTxn, key: str, prev: Record) -> None:
    """Remove ``prev`` from the records and from the index."""
    if prev.expire_at is not None:
        txn.unindex_expiry(indexed_ms(prev.expire_at), prev.seq)
    txn.delete(key)


def purge(txn: WriteTxn, log_time_ms: int) -> list[Change]:
    """Delete what expired before the log time, by expiry and then seq; one change each."""
    if txn.first_expiry() >= log_time_ms:
        return []
    due: list[str] = []
    for expire_ms, _, key in txn.expiries():
        if expire_ms >= log_time_ms:
            break
        due.append(key)
    changes = []
    for key in due:
        prev = txn.get(key)
        if prev is not None:
            remove(txn, key, prev)
            changes.append(Change(key, prev, None))
    return changes
