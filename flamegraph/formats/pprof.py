"""pprof: the gzipped protocol buffer that Go's tools and many services speak.

Samples refer to locations, locations to functions, and all of them to a table of strings, by number. A stack
is innermost first. A location can hold several functions, the inlined one first. Frames are read as
`function (file:line)`, an address that was never symbolised as `0x7f12 (libc.so.6)`, and are written from
the same form: a profile survives the way there and back, its metadata as comments.
"""

from __future__ import annotations

from itertools import islice
from typing import BinaryIO

from flamegraph import frame
from flamegraph.errors import InputError, OptionError
from flamegraph.formats import pprof_write
from flamegraph.formats.options import Options
from flamegraph.formats.protobuf import read_fields, read_numbers, signed
from flamegraph.formats.source import read_all
from flamegraph.profile import ROOT, Profile, TreeBuilder, Weight

write = pprof_write.write

# Unit in the file: ours, and by how much its weights are multiplied and then divided.
_UNITS = {
    b"nanoseconds": ("microseconds", 1, 1_000),
    b"microseconds": ("microseconds", 1, 1),
    b"milliseconds": ("microseconds", 1_000, 1),
    b"seconds": ("microseconds", 1_000_000, 1),
    b"bytes": ("bytes", 1, 1),
    b"kilobytes": ("bytes", 1 << 10, 1),
    b"megabytes": ("bytes", 1 << 20, 1),
}
_COUNTED = ("calls", "allocations", "objects")

# Fields of a profile that are numbers; all others up to the last are messages or text.
_NUMBERS = frozenset({7, 8, 9, 10, 12, 14, 15})
_FIELDS_SNIFFED = 8

Message = dict[int, list[tuple[int | memoryview, int]]]


def sniff(head: bytes) -> bool:
    """Whether it begins with fields of a profile, in any order, one of the first a sample type."""
    try:
        for field, value, at in islice(read_fields(memoryview(head)), _FIELDS_SNIFFED):
            if isinstance(value, int) != (field in _NUMBERS) or field > max(_NUMBERS):
                return False
            if field == 1:
                return _message(value, at).keys() <= {1, 2}
    except InputError:
        return False
    return False


def read(stream: BinaryIO, options: Options) -> Profile:
    """Reads one kind of weight: the one named by `sample_type`, or the file's default, or its last.

    Labels named in `labels` become frames, `thread: main`, outermost first. Raises InputError with the place
    of what is wrong: a message that breaks off, a number that refers to nothing, a negative weight.
    """
    data = read_all(stream)
    if not data:
        raise InputError("The profile is empty: a pprof file has at least a sample type.")
    return _Reader(_message(memoryview(data), 0)).profile(options)


class _Reader:
    """The tables of one file, and the names worked out from them."""

    def __init__(self, file: Message) -> None:
        self._file = file
        self._strings = [bytes(_bytes(value, at)) for value, at in file.get(6, [])]
        self._mappings = self._table(3, "mapping")
        self._functions = self._table(5, "function")
        self._locations = self._table(4, "location")
        self._frames: dict[int, list[bytes]] = {}

    def profile(self, options: Options) -> Profile:
        types = [_message(*field) for field in self._file.get(1, [])]
        kinds = [self._string(kind, 1).decode("utf-8", "replace") for kind in types]
        chosen = self._chosen(kinds, options.sample_type)
        unit, times, parts = _unit(self._string(types[chosen], 2), kinds[chosen])
        labels = [label.encode("utf-8", "surrogatepass") for label in options.labels]
        taken, samples = kinds.index("samples") if "samples" in kinds else chosen, 0
        tree = TreeBuilder()
        for number, field in enumerate(self._file.get(2, []), 1):
            sample = _message(*field)
            values = self._values(sample, number, len(types))
            samples += values[taken]
            weight = _not_negative(values[chosen], number)
            if weight:
                node = self._place(tree, sample, number, labels)
                tree.add(node, _scaled(weight, times, parts))
        metadata = {"sample_type": kinds[chosen], **self._duration(), **self._comments()}
        if taken == chosen:
            metadata |= self._period()
        # Times and bytes are no counts; how sure a comparison is depends on how many samples there are.
        return tree.build(unit, metadata if taken == chosen else metadata | {"samples": str(samples)})

    def _chosen(self, kinds: list[str], asked: str | int | None) -> int:
        if not kinds:
            raise InputError("The pprof file names no sample type; it holds no profile.")
        if asked is None:
            default = self._string(self._file, 14).decode("utf-8", "replace")
            return kinds.index(default) if default in kinds else len(kinds) - 1
        if isinstance(asked, str) and asked not in kinds and asked.isdecimal():
            asked = int(asked)
        if isinstance(asked, int) and 0 <= asked < len(kinds):
            return asked
        if asked in kinds:
            return kinds.index(str(asked))
        raise OptionError(f"There is no sample type {asked!r}; the file has {', '.join(kinds)}.")

    def _values(self, sample: Message, number: int, types: int) -> list[int]:
        values = [signed(value) for field in sample.get(2, []) for value in read_numbers(*field)]
        if len(values) != types:
            raise InputError(
                f"Sample {number:,} has {len(values)} values; the file has {types} sample types."
            )
        return values

    def _place(self, tree: TreeBuilder, sample: Message, number: int, labels: list[bytes]) -> int:
        node = ROOT
        if labels:
            known = self._labels(sample)
            for label in labels:
                if label in known:
                    node = tree.child(node, b"%s: %s" % (label, known[label]))
        locations = [value for field in sample.get(1, []) for value in read_numbers(*field)]
        for location in reversed(locations):
            frames = self._frames.get(location)
            if frames is None:
                frames = self._frames[location] = self._location(location, f"Sample {number:,}")
            for name in frames:
                node = tree.child(node, name)
        return node

    def _location(self, number: int, user: str) -> list[bytes]:
        """Names of a location's frames, the caller first."""
        location = _referred(self._locations, number, "location", user)
        lines = [_message(*field) for field in location.get(4, [])]
        if not lines:
            return [self._address(location, number)]
        return [self._line(line, number) for line in reversed(lines)]

    def _line(self, line: Message, location: int) -> bytes:
        function = _referred(self._functions, _number(line, 1), "function", f"Location {location:,}")
        at = signed(_number(line, 2))
        name = self._string(function, 2) or self._string(function, 3) or b"[no name]"
        return frame.join(frame.Place(name, self._string(function, 4), max(at, 0)))

    def _address(self, location: Message, number: int) -> bytes:
        name = b"0x%x" % _number(location, 3)
        mapping = _number(location, 2)
        if not mapping:
            return name
        file = self._string(_referred(self._mappings, mapping, "mapping", f"Location {number:,}"), 5)
        return frame.join(frame.Place(name, file.rpartition(b"/")[2]))

    def _labels(self, sample: Message) -> dict[bytes, bytes]:
        labels = [_message(*field) for field in sample.get(3, [])]
        return {
            self._string(label, 1): self._string(label, 2) or b"%d" % signed(_number(label, 3))
            for label in labels
        }

    def _duration(self) -> dict[str, str]:
        """How long was profiled, where the file says so; a comment of that name counts more."""
        nanoseconds = _number(self._file, 10)
        return {"seconds": f"{nanoseconds / 1e9:g}"} if nanoseconds else {}

    def _period(self) -> dict[str, str]:
        """How much time a sample stands for, where the file says so in nanoseconds."""
        kind = _message(*self._file[11][-1]) if 11 in self._file else {}
        if self._string(kind, 2) != b"nanoseconds" or not _number(self._file, 12):
            return {}
        period_type = self._string(kind, 1).decode("utf-8", "replace")
        return {"period_ns": str(_number(self._file, 12)), "period_type": period_type}

    def _comments(self) -> dict[str, str]:
        """Comments of the form `key: value` by key, all others together."""
        metadata: dict[str, str] = {}
        for field in self._file.get(13, []):
            for number in read_numbers(*field):
                text = self._text(number, field[1]).decode("utf-8", "replace")
                key, colon, value = text.partition(": ")
                if not colon or " " in key or key in metadata:
                    key, value = "comment", "\n".join(filter(None, [metadata.get("comment"), text]))
                metadata[key] = value
        return metadata

    def _table(self, field: int, kind: str) -> dict[int, Message]:
        table: dict[int, Message] = {}
        for value, at in self._file.get(field, []):
            entry = _message(value, at)
            number = _number(entry, 1)
            if number in table or not number:
                what = "is defined twice" if number else "has no number"
                raise InputError(f"The {kind} {number:,} at byte {at:,} {what}.")
            table[number] = entry
        return table

    def _string(self, message: Message, field: int) -> bytes:
        at = message[field][-1][1] if field in message else 0
        return self._text(_number(message, field), at)

    def _text(self, number: int, at: int) -> bytes:
        if number < len(self._strings):
            return self._strings[number]
        if not number:
            return b""
        raise InputError(
            f"Byte {at:,} refers to string {number:,}; the file has {len(self._strings):,} strings."
        )


def _message(value: int | memoryview, at: int) -> Message:
    message: Message = {}
    for field, content, position in read_fields(_bytes(value, at), at):
        message.setdefault(field, []).append((content, position))
    return message


def _number(message: Message, field: int) -> int:
    value, at = message.get(field, [(0, 0)])[-1]
    if isinstance(value, int):
        return value
    raise InputError(f"The field at byte {at:,} of the protobuf should be a number.")


def _bytes(value: int | memoryview, at: int) -> memoryview:
    if isinstance(value, memoryview):
        return value
    raise InputError(f"The field at byte {at:,} of the protobuf should hold bytes and is a number.")


def _referred(table: dict[int, Message], number: int, kind: str, user: str) -> Message:
    entry = table.get(number)
    if entry is None:
        raise InputError(f"{user} refers to {kind} {number:,}, which the file does not have.")
    return entry


def _not_negative(weight: int, number: int) -> int:
    if weight < 0:
        raise InputError(
            f"Sample {number:,} weighs {weight:,}. The file is a difference of two profiles; "
            "compare the two themselves."
        )
    return weight


def _unit(text: bytes, kind: str) -> tuple[str, int, int]:
    """Our unit, and what to multiply and divide by; `count/1000` is a thousandth of a sample.

    What is counted, the type says: calls, objects, else samples.
    """
    unit, _, parts = text.partition(b"/")
    counted = kind if kind in _COUNTED else "samples"
    ours, times, divisor = _UNITS.get(unit.lower(), (counted, 1, 1))
    if parts.isdigit() and 0 < len(parts) <= 19 and int(parts):
        divisor *= int(parts)
    return ours, times, divisor


def _scaled(weight: int, times: int, parts: int) -> Weight:
    weight *= times
    return weight / parts if weight % parts else weight // parts
