"""A log record: some commands of one node as bytes, told apart from every other record there ever was.

``MDLR``, a format number, the CRC-32 of the rest, and the rest in MessagePack. Commands are arrays that begin
with their type's number; numbers are never used twice, so that an old record keeps its meaning. A record
names its author: the node, the process (its incarnation, drawn at random) and a number that rises by one
with each record of that process. A record that arrives twice is so known for what it is (design of the
ordered log, section 4).
"""

import zlib
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

import msgpack

from diag.errors import Damaged, InvalidRequest
from diag.kv import commands as kv
from diag.kv.commands import Command

_MAGIC = b"MDLR"
_FORMAT = 1
_HEAD = Struct("<4sBI")
_HEAD_FIELDS = 6
#: Predicates in each other. What every node must be able to read is refused before it is written.
_DEEPEST = 126


class Enter(NamedTuple):
    """A process begins to write for its node, after the process ``after`` (empty: the first there is)."""

    after: bytes


class BeginSnapshot(NamedTuple):
    """Every node writes a snapshot of its state right after this command."""


class ReportSnapshot(NamedTuple):
    """The author holds a durable snapshot of the state after ``index``, and this is its content's hash."""

    index: int  # type: ignore[assignment]  # the log's own term, over tuple.index
    content_hash: str


class Genesis(NamedTuple):
    """In the first record of a log that does not begin empty: the last entry of the state it goes on from,
    and the hash of that state's content.
    """

    term: int
    node_id: int
    index: int  # type: ignore[assignment]  # the log's own term, over tuple.index
    content_hash: str


LogCommand: TypeAlias = Command | Enter | BeginSnapshot | ReportSnapshot | Genesis


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


_TUPLE = 0
_NUMBERS: Mapping[type, int] = {
    tuple: _TUPLE,
    Enter: 1,
    BeginSnapshot: 2,
    ReportSnapshot: 3,
    Genesis: 4,
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
#: Number -> its type, and the length of an array that has all the type's fields.
_TYPES: Mapping[int, tuple[Any, int]] = {
    number: (kind, 1 + len(getattr(kind, "_fields", ()))) for kind, number in _NUMBERS.items()
}
_new = tuple.__new__


def encode_command(command: LogCommand) -> bytes:
    """One command's part of a record. InvalidRequest when it is nested too deeply."""
    if type(command) is kv.Transaction:
        _check_depth(command)
    # Strict: what has parts is then the hook's to number; the rest of the work is done in C.
    return bytes(msgpack.packb(command, default=_numbered, strict_types=True))


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
        unpacker = msgpack.Unpacker(use_list=False, list_hook=_typed, max_buffer_size=len(body))
        unpacker.feed(body)
        unpack = unpacker.unpack
        if unpacker.read_array_header() != _HEAD_FIELDS:
            raise ValueError("the head has another number of fields")
        author = Author(unpack(), unpack(), unpack())
        time_ms, term, leader = unpack(), unpack(), unpack()
        commands = [unpack() for _ in range(unpacker.read_array_header())]
        if not all(isinstance(command, tuple) for command in commands):
            raise TypeError("a command is no array")
    except (ValueError, TypeError, LookupError, RecursionError, msgpack.UnpackException) as failure:
        raise Damaged(
            f"A log record cannot be decoded ({failure!r}); a newer program may have written it."
        ) from failure
    return Record(author, time_ms, term, leader, commands)


def _check_depth(transaction: kv.Transaction) -> None:
    inner = [branch.predicate for branch in transaction.branches if branch.predicate is not None]
    for _ in range(_DEEPEST):
        inner = [predicate for outer in inner for predicate in outer.predicates]
        if not inner:
            return
    raise InvalidRequest("The command is nested too deeply; combine its predicates in fewer levels.")


def _numbered(value: Any) -> list[Any]:
    """A value as MessagePack has it: whatever has parts is an array that begins with its type's number."""
    kind = type(value)
    number = _NUMBERS.get(kind)
    if number is None:
        raise TypeError(f"{kind.__name__} has no number in the log's format")
    return [number, int(value)] if kind is kv.Compare else [number, *value]


def _typed(parts: tuple[Any, ...]) -> Any:
    """The value of an array, called from the innermost out."""
    number = parts[0]
    if number == _TUPLE:
        return parts[1:]
    kind, length = _TYPES[number]
    if len(parts) == length:
        return _new(kind, parts[1:])
    return kind(*parts[1:])  # an older record lacks what has a default now
