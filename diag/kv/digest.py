"""What tells two states apart, read from a store that nobody writes: its hashes and its counts."""

import hashlib
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from diag.kv import directory
from diag.kv.reading import ReadTxn
from diag.kv.state import Position
from diag.kv.store import Store

_LENGTHS = Struct("<II")
_HASH_ITEMS = 128


class Digest(NamedTuple):
    """``content_hash`` is equal for equal states, ``file_hash`` for equal files (both sha256, hex)."""

    position: Position
    key_count: int
    expire_count: int
    content_hash: str
    file_hash: str


def digest_of(path: Path) -> Digest:
    """Read the store in ``path`` twice, as records and as bytes. Raises StoreError."""
    with Store.open(path, readonly=True) as store, store.read() as txn:
        position, counts = txn.applied(), (txn.key_count(), txn.expire_count())
        content_hash = hash_content(txn)
    return Digest(position, *counts, content_hash, hash_file(path / directory.DATA))


def hash_content(txn: ReadTxn) -> str:
    """sha256 over the position, the seq counter, the features, what the log keeps, and every key and record.

    Equal for equal states, however their files came to be.
    """
    digest = hashlib.sha256(repr((*txn.applied(), txn.seq(), txn.features())).encode())
    digest.update(txn.log_state())
    parts: list[bytes | memoryview] = []
    for key, stored in txn.raw_items():
        parts += (_LENGTHS.pack(len(key), len(stored)), key, bytes(stored))
        if len(parts) >= 3 * _HASH_ITEMS:
            # In lumps: hashing one lets other threads run.
            digest.update(b"".join(parts))
            parts.clear()
    digest.update(b"".join(parts))
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
