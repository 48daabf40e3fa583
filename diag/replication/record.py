"""A log record: some commands of one node as bytes, told apart from every other record there ever was.

``MDLR``, a format number, the CRC-32 of the rest, and the rest in MessagePack. Commands are extension types,
one number each; numbers are never used twice, so that an old record keeps its meaning. A record names its
author: the node, the process (its incarnation, drawn at random) and a number that rises by one with each
record of that process. A record that arrives twice is so known for what it is (design of the ordered log,
section 4).
"""

import zlib
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

import msgpack

from diag.errors import Damaged
from diag.kv import commands as kv
from diag.kv.commands import Command

_MAGIC = b"MDLR"
_FORMAT = 1
_HEAD = Struct("<4sBI")


class Enter(NamedTuple):
    """A process begins to write for its node, after the process ``after`` (empty: the first there is)."""

    after: bytes


class BeginSnapshot(NamedTuple):
    """Every node writes a snapshot of its state right after this command."""


class ReportSnapshot(NamedTuple):
    """The author holds a durable snapshot of the state after ``index``, and this is its content's hash."""

    index: int  # type: ignore[assignment]  # the log's own term, over tuple.index
    content_hash: str


LogCommand: TypeAlias = Command | Enter | BeginSnapshot | ReportSnapshot


class Author(NamedTuple):
    """Whose record it is, and which of that process's."""

    node_id: int
    incarnation: bytes
    number: int


class Record(NamedTuple):
    """``term`` and ``leader`` are what the author knew of them when it wrote: lower bounds, not facts."""

    author: Author
    time_ms: int
    term: int
    leader: int
    commands: Sequence[LogCommand]


_NUMBERS: Mapping[type, int] = {
    Enter: 1,
    BeginSnapshot: 2,
    ReportSnapshot: 3,
    kv.Upsert: 10,
    kv.Transaction: 11,
    kv.SetFeature: 12,
    kv.Blank: 13,
    kv.MatchSeq: 20,
    kv.Lifetime: 21,
    kv.AsIs: 22,
    kv.Get: 30,
    kv.Put: 31,
    kv.Delete: 32,
    kv.DeleteByPrefix: 33,
    kv.FetchIncrease: 34,
    kv.PutSequential: 35,
    kv.Compare: 40,
    kv.SeqIs: 41,
    kv.ValueIs: 42,
    kv.PrefixCountIs: 43,
    kv.NoTarget: 44,
    kv.Predicate: 45,
    kv.Branch: 46,
}
_TYPES = {number: kind for kind, number in _NUMBERS.items()}


def encode_command(command: LogCommand) -> bytes:
    """One command's part of a record."""
    return bytes(_pack(command))


def encode(author: Author, time_ms: int, term: int, leader: int, commands: Sequence[bytes]) -> bytes:
    """A record of commands that are encoded already."""
    packer = msgpack.Packer()
    head = packer.pack((*author, time_ms, term, leader))
    body = b"".join([head, packer.pack_array_header(len(commands)), *commands])
    return _HEAD.pack(_MAGIC, _FORMAT, zlib.crc32(body)) + body


def decode(stored: bytes) -> Record:
    """The record of its bytes; Damaged when they are none, or of a format this program does not know."""
    if len(stored) < _HEAD.size or stored[:4] != _MAGIC:
        raise Damaged(f"A log record begins with {stored[:8]!r}; another program wrote it.")
    _, version, crc = _HEAD.unpack_from(stored)
    if version != _FORMAT:
        raise Damaged(f"A log record has format {version}, this program reads {_FORMAT}; update it.")
    body = stored[_HEAD.size :]
    if zlib.crc32(body) != crc:
        raise Damaged("A log record's checksum is wrong; the log was damaged on its way or in etcd.")
    try:
        unpacker = msgpack.Unpacker(use_list=False, ext_hook=_unpack_typed, max_buffer_size=len(body))
        unpacker.feed(body)
        node_id, incarnation, number, time_ms, term, leader = unpacker.unpack()
        commands = unpacker.unpack()
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as failure:
        raise Damaged(
            f"A log record cannot be decoded ({failure!r}); a newer program may have written it."
        ) from failure
    return Record(Author(node_id, incarnation, number), time_ms, term, leader, commands)


def _pack(value: object) -> bytes:
    return msgpack.packb(value, strict_types=True, default=_pack_typed)  # type: ignore[no-any-return]


def _pack_typed(value: Any) -> msgpack.ExtType | list[Any]:
    number = _NUMBERS.get(type(value))
    if number is None:
        if type(value) is tuple:
            return list(value)
        raise TypeError(f"{type(value).__name__} has no number in the log's format")
    fields = int(value) if number == _NUMBERS[kv.Compare] else list(value)
    return msgpack.ExtType(number, _pack(fields))


def _unpack_typed(number: int, data: bytes) -> object:
    fields = msgpack.unpackb(data, use_list=False, ext_hook=_unpack_typed)
    kind = _TYPES[number]
    return kind(fields) if kind is kv.Compare else kind(*fields)
