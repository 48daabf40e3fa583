"""A stream as lines of UTF-8.

Lines keep their ends: taking them off costs more, at this rate, than what reads lines can save by knowing the
same ending again.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from itertools import chain

from flamegraph.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

LONGEST_LINE = 1 << 24
_CHUNK = 1 << 16
#: A count, and after it another line.
_ENDED_BY_RETURN = rb"\s[\d.]+\r[^\r\n]"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends. A line of more than 16 MiB comes in pieces of LONGEST_LINE bytes, except from a
    regular file, which ends: there lines are taken without a limit, which is a tenth faster. Whoever reads
    them refuses either.

    The stream is UTF-8, with or without a mark, or UTF-16 with its mark; nothing else is decoded. Raises
    InputError for UTF-16 that cannot be decoded and for lines that end in carriage returns alone.
    """
    read = partial(stream.readline, LONGEST_LINE)
    first = read()
    if first.startswith(_UTF16):
        return _lines_utf16(first, stream)
    if b"\r" in first[:-2] and re.search(_ENDED_BY_RETURN, first):
        raise InputError("The lines end in carriage returns alone; end them in line feeds.")
    return chain([first.removeprefix(codecs.BOM_UTF8)], stream if _is_file(stream) else iter(read, b""))


def without_end(line: bytes) -> bytes:
    """The line without its line feed, or carriage return and line feed."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _is_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, AttributeError):
        return False


def _lines_utf16(chunk: bytes, stream: BinaryIO) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-16")()
    rest = b""
    try:
        while chunk:
            text = rest + decoder.decode(chunk).encode("utf-8", "surrogatepass")
            *lines, rest = text.split(b"\n")
            for line in lines:
                yield line + b"\n"
            if len(rest) > LONGEST_LINE:
                yield rest[:LONGEST_LINE]
                rest = rest[LONGEST_LINE:]
            chunk = stream.read(_CHUNK)
        yield rest + decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The profile begins as UTF-16 but cannot be decoded ({error.reason}); save it as UTF-8."
        ) from error
