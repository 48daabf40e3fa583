"""The bytes a record is stored as: a fixed header, then the data as they came.

Header: one byte of flags (bit 0: has an expiry, bit 1: has a proposal time), then
seq, expire_at and proposed_at_ms as little-endian u64. A flag and not a reserved
number says "absent", because every u64 is a legal ``expire_at``.
"""

from struct import Struct

from diag.kv.records import Record

_HEADER = Struct("<BQQQ")
_HAS_EXPIRY = 1
_HAS_PROPOSED = 2
_pack = _HEADER.pack
_unpack = _HEADER.unpack_from
_SIZE = _HEADER.size
_new = tuple.__new__


def encode(record: Record) -> bytes:
    """The stored form of a record."""
    seq, data, expire_at, proposed = record
    flags = 0
    if expire_at is None:
        expire_at = 0
    else:
        flags = _HAS_EXPIRY
    if proposed is None:
        proposed = 0
    else:
        flags |= _HAS_PROPOSED
    return _pack(flags, seq, expire_at, proposed) + data


def decode(stored: memoryview | bytes) -> Record:
    """The record of a stored form; the data are copied once, so the transaction may end."""
    flags, seq, expire_at, proposed = _unpack(stored)
    return _new(
        Record,
        (
            seq,
            bytes(stored[_SIZE:]),
            expire_at if flags & _HAS_EXPIRY else None,
            proposed if flags & _HAS_PROPOSED else None,
        ),
    )
