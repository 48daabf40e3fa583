"""Folded stacks: one line a stack, `outer;inner;innermost COUNT`, in any order.

A line that is not a stack and a count is left out, counted and named by its number, never guessed at:
`thread 12 5` is five samples of `thread 12`, not two counts. Files of two counts a line, which differential
tools take, are read by `read_differential` and by nothing else. Austin writes headers (`# interval: 100`),
which read like stacks of one frame: lines of one `# word:` and a value are left out and not counted. Empty
frames at the end of a stack are dropped, and an empty stack counts for the root, as other readers of the
format have it.

Imports: a small file is read and drawn in less time than `decimal` takes to load, so that is loaded when a
fraction is written.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from flamegraph.errors import InputError
from flamegraph.formats.lines import LONGEST_LINE, read_lines, without_end
from flamegraph.formats.options import Options
from flamegraph.formats.prefixes import DEEPEST, StackTree, TooDeep
from flamegraph.formats.source import GZIP, opened
from flamegraph.profile import ROOT, Profile, Weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, BinaryIO

    from flamegraph.formats.source import Source

_COUNT_DIGITS = 18
_LINES_NAMED = 10
#: A header of Austin, such as `# mode: wall`.
_HEADER = rb"# \w+: [^;]*"
_MARKS = (GZIP, codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LINE = re.compile(rb"(.*)\s(\d+(?:\.\d*)?)", re.DOTALL)


def read_folded(source: Source, unit: str = "samples") -> Profile:
    """Reads a path or an open binary stream, in UTF-8 (with or without a mark) or UTF-16 with its mark.

    Counts are whole or decimal numbers under 10^18. Lines left out are told in the profile's metadata:
    `invalid_lines` (how many) and `invalid_line_numbers` (the first ten). Raises InputError when the source
    cannot be read, holds lines but not one stack, or has a line of more than 16 MiB or 100,000 frames.
    """
    with opened(source) as (_, stream):
        return read(stream, Options(unit=unit))


def read(stream: BinaryIO, options: Options) -> Profile:
    """As `read_folded`, from an open stream."""
    reader = _Reader()
    reader.add(read_lines(stream))
    return reader.profile(options.unit or "samples")


def read_differential(source: Source, unit: str = "samples") -> tuple[Profile, Profile]:
    """Reads lines of two counts, `main;work 12 15`: a profile of the first counts and one of the second.

    Invalid lines are told in the metadata of both. Raises InputError as `read_folded` does.
    """
    base, new = _Reader(), _Reader()
    with opened(source) as (_, stream):
        for number, line in enumerate(read_lines(stream), 1):
            one, other = _two_lines(line)
            base.add([one], number)
            new.add([other], number)
    return base.profile(unit), new.profile(unit)


def sniff(head: bytes) -> bool:
    """Whether the first line of `head` that is not blank is a stack and a count."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head[: len(head) & ~1].decode("utf-16", "replace").encode("utf-8", "replace")
    line = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")
    # A single zero byte is no text; a brace begins JSON or a marshalled table.
    return not line.startswith(b"{") and b"\0" not in line and is_stack(line)


def is_stack(line: bytes) -> bool:
    """Whether a line, without its end, is a stack and a count, whatever bytes are in its names."""
    return _LINE.fullmatch(line) is not None


def write(profile: Profile, file: BinaryIO) -> None:
    """As `write_folded`, for the table of formats."""
    write_folded(profile, file)


def write_folded(profile: Profile, file: IO[str] | IO[bytes]) -> None:
    """Writes one line a stack, in an order that depends on the stacks alone.

    The format has no escapes: within a name `;` is written as `:` and a line break as a space.
    A name at the beginning that reads like the mark of gzip or of an encoding has a blank line before it.
    A file opened as text gets text, any other gets UTF-8 bytes.
    """
    as_text = hasattr(file, "encoding")
    lines = _lines(profile)
    first = next(lines, b"")
    for line in chain([b"\n" + first if first.startswith(_MARKS) else first], lines):
        file.write(line.decode("utf-8", "replace") if as_text else line)  # type: ignore[arg-type]


class _Reader:
    """One reading: the tree so far, and the lines that were none."""

    def __init__(self) -> None:
        self._tree = StackTree()
        self._invalid = 0
        self._invalid_numbers: list[int] = []

    def add(self, lines: Iterable[bytes], first: int = 1) -> None:
        try:
            self._tree.add_lines(lines, self._add_rare, first)
        except TooDeep as error:
            raise InputError(
                f"The stack in line {error.line:,} has more than {DEEPEST:,} frames, or the line is longer "
                f"than {LONGEST_LINE >> 20} MiB; no profiler writes such a stack."
            ) from None

    def profile(self, unit: str) -> Profile:
        if self._invalid and self._tree.is_empty():
            raise InputError(
                f"The profile has no folded stack: none of its {self._invalid:,} lines ends with a space "
                "and a count. Each line should read like `main;work 12`."
            )
        metadata = {}
        if self._invalid:
            metadata["invalid_lines"] = str(self._invalid)
            metadata["invalid_line_numbers"] = ", ".join(map(str, self._invalid_numbers))
        return self._tree.profile(unit, metadata)

    def _add_rare(self, number: int, line: bytes) -> None:
        line = without_end(line)
        if not line.strip() or re.fullmatch(_HEADER, line):
            return
        match = _LINE.fullmatch(line)
        weight = _weight(match[2]) if match else None
        if match is None or weight is None:
            self._invalid += 1
            if len(self._invalid_numbers) < _LINES_NAMED:
                self._invalid_numbers.append(number)
            return
        self._tree.add(match[1], weight)


def _two_lines(line: bytes) -> tuple[bytes, bytes]:
    """A line of two counts as two lines of one; anything else is as invalid in both."""
    line = without_end(line)
    both, space, new = line.rpartition(b" ")
    stack = both.rpartition(b" ")[0]
    if not space or not _LINE.fullmatch(both) or not _LINE.fullmatch(line):
        return (line, line) if not line.strip() else (b"?", b"?")
    return both, b"%s %s" % (stack, new)


def _weight(text: bytes) -> Weight | None:
    if b"." not in text:
        return int(text) if len(text) <= _COUNT_DIGITS else None
    weight = float(text)
    return weight if weight < 10.0**_COUNT_DIGITS and math.isfinite(weight) else None


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
