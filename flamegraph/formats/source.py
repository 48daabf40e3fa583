"""Where bytes come from: a path or a stream that need not be seekable, compressed with gzip or not.

Every failure of the system or of the compression leaves here as an InputError with its place. What is read
is bounded: a few kilobytes of gzip can stand for gigabytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from flamegraph.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    Source = str | PathLike[str] | BinaryIO

MOST_AT_ONCE = 256 << 20
_MOST_UNPACKED = 8 << 30
GZIP = b"\x1f\x8b"
_HEAD = 1 << 14
_CHUNK = 1 << 16


@contextmanager
def opened(source: Source) -> Iterator[tuple[bytes, BinaryIO]]:
    """The first 16 KiB of what the source holds, unpacked, and a stream of all of it."""
    try:
        if isinstance(source, (str, PathLike)):
            with open(source, "rb", _CHUNK) as file:  # noqa: PTH123 - pathlib takes longer to load than a file to read
                yield _unpacked(file)
        elif hasattr(source, "read"):
            yield _unpacked(source)
        else:
            raise InputError(
                f"{source!r:.60} is no source of a profile; a path or an open binary stream is expected "
                "(io.BytesIO makes one of bytes)."
            )
    except OSError as error:
        raise InputError(f"The profile cannot be read: {error.strerror or error}.") from error


def read_all(stream: BinaryIO, most: int = MOST_AT_ONCE) -> bytes:
    """The rest of the stream, for formats that cannot be read piece by piece."""
    data = stream.read(most + 1)
    if len(data) > most:
        raise InputError(
            f"The profile is larger than {most >> 20} MiB, which is more than is read at once; "
            "convert it to folded stacks, which are read line by line."
        )
    return data


def _unpacked(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    head, whole = _peek(stream)
    if not isinstance(head, bytes):
        raise InputError("The stream gives text and not bytes; open it in binary mode.")
    if head.startswith(GZIP):
        return _peek(io.BufferedReader(_Gunzip(whole), _CHUNK))
    return head, whole


def _peek(stream: BinaryIO) -> tuple[bytes, BinaryIO]:
    if stream.seekable():
        start = stream.tell()
        head = stream.read(_HEAD)
        stream.seek(start)
        return head, stream
    head = stream.read(_HEAD)
    return head, io.BufferedReader(_Replay(head, stream), _CHUNK)


class _Pieces(io.RawIOBase):
    """A stream made of pieces of any size."""

    def __init__(self) -> None:
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(self._next(len(buffer)))
        piece = self._left[: len(buffer)]
        buffer[: len(piece)] = piece
        self._left = self._left[len(piece) :]
        return len(piece)

    def _next(self, wanted: int) -> bytes:
        """The next piece; empty at the end."""
        raise NotImplementedError


class _Replay(_Pieces):
    """What was read from a pipe to look at it, and then the rest."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._left = memoryview(head)
        self._rest = rest

    def _next(self, wanted: int) -> bytes:
        return self._rest.read(wanted)


class _Gunzip(_Pieces):
    """The content of a gzip file of one or more members."""

    def __init__(self, packed: BinaryIO) -> None:
        import zlib

        super().__init__()
        self._zlib = zlib
        self._packed = packed
        self._input = b""
        self._taken = 0
        self._given = 0
        self._member = zlib.decompressobj(31)

    def _next(self, wanted: int) -> bytes:
        piece = b""
        while not piece and self._more_input():
            try:
                piece = self._member.decompress(self._input, wanted)
            except self._zlib.error as error:
                raise InputError(
                    f"The gzip data is damaged within {self._taken:,} bytes from its start ({error})."
                ) from error
            self._input = self._member.unconsumed_tail
        self._given += len(piece)
        if self._given > _MOST_UNPACKED:
            raise InputError(
                f"The gzip data unpacks to more than {_MOST_UNPACKED >> 30} GiB and is not read any further."
            )
        return piece

    def _more_input(self) -> bool:
        """Whether there is something to unpack; opens the next member where one ends."""
        if self._member.eof:
            self._input = self._member.unused_data
        if not self._input:
            self._input = self._packed.read(_CHUNK)
            self._taken += len(self._input)
        if self._member.eof:
            # Writers pad to a block with zeros.
            self._input = self._input.lstrip(b"\0")
            if self._input:
                self._member = self._zlib.decompressobj(31)
        elif not self._input:
            raise InputError(f"The gzip data ends early, after {self._taken:,} bytes; the file was cut off.")
        return bool(self._input)
