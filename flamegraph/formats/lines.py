"""A stream as lines of UTF-8, a list at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from flamegraph.errors import InputError

LONGEST_LINE = 1 << 24
_CHUNK = 1 << 16


def read_lines(stream: BinaryIO) -> Iterator[tuple[int, list[bytes]]]:
    """Lines without their ends, in lists of about 64 KiB, each with the number of its first line.

    The stream is UTF-8, with or without a mark, or UTF-16 with its mark; nothing else is decoded. Raises
    InputError for a line of more than 16 MiB and for UTF-16 that cannot be decoded.
    """
    number = 1
    head = stream.read(_CHUNK)
    utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    chunks = _chunks_utf16(head, stream) if utf16 else _chunks(head.removeprefix(codecs.BOM_UTF8), stream)
    for chunk in chunks:
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").removesuffix(b"\r")
        lines = chunk.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if lines and len(lines[-1]) >= LONGEST_LINE:
            raise InputError(
                f"Line {number + len(lines) - 1:,} is longer than {LONGEST_LINE >> 20} MiB; "
                "that is no folded stack."
            )
        yield number, lines
        number += len(lines)


def _chunks(chunk: bytes, stream: BinaryIO) -> Iterator[bytes]:
    while chunk:
        yield chunk + stream.readline(LONGEST_LINE)
        chunk = stream.read(_CHUNK)


def _chunks_utf16(chunk: bytes, stream: BinaryIO) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-16")()
    rest = b""
    try:
        while chunk:
            text = rest + decoder.decode(chunk).encode("utf-8", "surrogatepass")
            whole, newline, rest = text.rpartition(b"\n")
            yield whole + newline
            if len(rest) > LONGEST_LINE:
                break
            chunk = stream.read(_CHUNK)
        yield rest if chunk else rest + decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The profile begins as UTF-16 but cannot be decoded ({error.reason}); save it as UTF-8."
        ) from error
