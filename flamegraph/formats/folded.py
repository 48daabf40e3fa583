"""Folded stacks: one line a stack, `outer;inner;innermost COUNT`, in any order.

The reader does not split stacks into frames. A whole stack is looked up among all prefixes seen so far; a new
one is shortened frame by frame until a known prefix is met. Real profiles add one to two new frames a stack,
so the work per stack does not depend on its depth. Keys are the bytes themselves: the tree is exact.

A line that is not a stack and a count is left out, counted and named by its number, never guessed at:
`thread 12 5` is five samples of `thread 12`, not two counts. Empty frames at the end of a stack are dropped,
and an empty stack counts for the root, as other readers of the format have it.

Imports: a small file is read and drawn in less time than `pathlib` and `decimal` take to load, so the first
is not used and the second is loaded when a fraction is written.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from os import PathLike
from typing import IO, BinaryIO

from flamegraph.errors import InputError
from flamegraph.profile import ROOT, Profile, TreeBuilder, Weight

_CHUNK = 1 << 16
_COUNT_DIGITS = 18
_LINES_NAMED = 10
_LINE = re.compile(rb"(.*)\s(\d+(?:\.\d*)?)", re.DOTALL)


def read_folded(source: str | PathLike[str] | BinaryIO, unit: str = "samples") -> Profile:
    """Reads a path or an open binary stream, in UTF-8 (with or without a mark) or UTF-16 with its mark.

    Counts are whole or decimal numbers. Lines left out are told in the profile's metadata: `invalid_lines`
    (how many) and `invalid_line_numbers` (the first ten). Raises InputError when the source cannot be read
    or holds lines but not one stack.
    """
    reader = _Reader()
    try:
        if isinstance(source, (str, PathLike)):
            with open(source, "rb") as stream:  # noqa: PTH123 - see the note on imports
                reader.read(stream)
        else:
            reader.read(source)
    except OSError as error:
        raise InputError(f"The profile cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"The profile begins as UTF-16 but cannot be decoded ({error.reason}); save it as UTF-8."
        ) from error
    return reader.profile(unit)


def write_folded(profile: Profile, file: IO[str] | IO[bytes]) -> None:
    """Writes one line a stack, in an order that depends on the stacks alone.

    The format has no escapes: within a name `;` is written as `:` and a line break as a space.
    A file opened as text gets text, any other gets UTF-8 bytes.
    """
    as_text = hasattr(file, "encoding")
    for line in _lines(profile):
        file.write(line.decode("utf-8", "replace") if as_text else line)  # type: ignore[arg-type]


class _Reader:
    """One reading: the tree so far, every known prefix, and the lines that were none."""

    def __init__(self) -> None:
        self._tree = TreeBuilder()
        self._known: dict[bytes, int] = {}
        self._known_nameless: dict[bytes, int] = {}
        self._stacks = 0
        self._invalid = 0
        self._invalid_numbers: list[int] = []

    def read(self, stream: BinaryIO) -> None:
        number = 1
        for chunk in _chunks(stream):
            if b"\r" in chunk:
                chunk = chunk.replace(b"\r\n", b"\n").removesuffix(b"\r")
            lines = chunk.split(b"\n")
            # What follows the last line break is empty, and is the next chunk's first line.
            self._read_lines(lines, number)
            number += len(lines) - 1

    def profile(self, unit: str) -> Profile:
        if self._invalid and not self._stacks:
            raise InputError(
                f"The profile has no folded stack: none of its {self._invalid:,} lines ends with a space "
                "and a count. Each line should read like `main;work 12`."
            )
        metadata = {}
        if self._invalid:
            metadata["invalid_lines"] = str(self._invalid)
            metadata["invalid_line_numbers"] = ", ".join(map(str, self._invalid_numbers))
        return self._tree.build(unit, metadata)

    def _read_lines(self, lines: list[bytes], first: int) -> None:
        # The hot loop: everything rare is elsewhere.
        known = self._known.get
        weights = self._tree.weights
        rare = 0
        for number, line in enumerate(lines, first):
            stack, _, count = line.rpartition(b" ")
            if count.isdigit() and stack and len(count) <= _COUNT_DIGITS:
                node = known(stack)
                if node is None:
                    node = self._grow(stack)
                weights[node] += int(count)
            else:
                rare += 1
                self._read_rare(line, number)
        self._stacks += len(lines) - rare

    def _grow(self, stack: bytes) -> int:
        """The node of a stack not seen before, with all nodes missing on the way to it."""
        if stack.endswith(b";"):
            return self._grow_trimmed(stack)
        known, append = self._known, self._tree.append
        missing = []
        prefix = stack
        node: int | None = None
        while node is None:
            missing.append(prefix)
            cut = prefix.rfind(b";")
            if cut < 0:
                node = ROOT
                break
            prefix = prefix[:cut]
            node = known.get(prefix)
        start = cut + 1
        for key in reversed(missing):
            if key.endswith(b";"):
                node = self._nameless(node, key)
            else:
                node = known[key] = append(node, key[start:])
            start = len(key) + 1
        return node

    def _grow_trimmed(self, stack: bytes) -> int:
        trimmed = stack.rstrip(b";")
        node = self._known.get(trimmed) if trimmed else ROOT
        return self._grow(trimmed) if node is None else node

    def _nameless(self, parent: int, key: bytes) -> int:
        """A frame without a name inside a stack. Its key would be mistaken for a stack to be trimmed."""
        node = self._known_nameless.get(key)
        if node is None:
            node = self._known_nameless[key] = self._tree.append(parent, b"")
        return node

    def _read_rare(self, line: bytes, number: int) -> None:
        if not line.strip():
            return
        match = _LINE.fullmatch(line)
        weight = _weight(match[2]) if match else None
        if match is None or weight is None:
            self._invalid += 1
            if len(self._invalid_numbers) < _LINES_NAMED:
                self._invalid_numbers.append(number)
            return
        self._stacks += 1
        stack = match[1]
        node = self._known.get(stack) if stack else ROOT
        self._tree.add(self._grow(stack) if node is None else node, weight)


def _weight(text: bytes) -> Weight | None:
    if b"." not in text:
        return int(text) if len(text) <= _COUNT_DIGITS else None
    weight = float(text)
    return weight if weight < 10.0**_COUNT_DIGITS and math.isfinite(weight) else None


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Pieces of about a quarter of a megabyte that end where lines end, in UTF-8."""
    chunk = stream.read(_CHUNK)
    if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield from _chunks_utf16(chunk, stream)
        return
    chunk = chunk.removeprefix(codecs.BOM_UTF8)
    while chunk:
        yield chunk + stream.readline()
        chunk = stream.read(_CHUNK)


def _chunks_utf16(chunk: bytes, stream: BinaryIO) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-16")()
    rest = b""
    while chunk:
        text = rest + decoder.decode(chunk).encode("utf-8", "surrogatepass")
        whole, newline, rest = text.rpartition(b"\n")
        yield whole + newline
        chunk = stream.read(_CHUNK)
    yield rest + decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _lines(profile: Profile) -> Iterator[bytes]:
    """Depth first, siblings by name: sorted without holding every stack at once."""
    names = [name.translate(_FOLDABLE) for name in profile.names]
    children = profile.children()
    path: list[bytes] = []
    pending = [(ROOT, 0)]
    while pending:
        node, depth = pending.pop()
        if depth:
            del path[depth - 1 :]
            path.append(names[profile.name[node]])
        weight = profile.weights[node]
        if weight:
            yield b"%s %s\n" % (b";".join(path), _decimal(weight))
        siblings = sorted(children[node], key=lambda child: profile.names[profile.name[child]], reverse=True)
        pending.extend((child, depth + 1) for child in siblings)


_FOLDABLE = bytes.maketrans(b";\r\n", b":  ")


def _decimal(weight: Weight) -> bytes:
    if isinstance(weight, int):
        return b"%d" % weight
    from decimal import Decimal

    return format(Decimal(repr(weight)), "f").encode()
