"""The log file: written under a name that may be taken away, and read through what it was rotated to."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import BinaryIO

_CHUNK = 64 << 10
# Looks for which the file in hand may be nowhere: a rotation takes far less than one.
_LOST_LOOKS = 3


class RotatedFile(RotatingFileHandler):
    """Rotates by size, and begins anew when another program moved or deleted the file.

    A disk that takes no more is told once on standard error, and again after it took something.
    """

    def __init__(self, path: Path, max_bytes: int, kept: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=kept, encoding="utf-8")
        self._refused = False

    def emit(self, record: LogRecord) -> None:
        """Write one record."""
        self._reopen_if_gone()
        super().emit(record)

    def flush(self) -> None:
        """To the system; a file that took it is well again."""
        super().flush()
        self._refused = False

    def handleError(self, record: LogRecord) -> None:  # noqa: N802 - logging's name
        """A node goes on without its log."""
        error = sys.exc_info()[1]
        if not self._refused:
            print(f"the log file {self.baseFilename} cannot be written: {error}", file=sys.stderr)  # noqa: T201
        self._refused = True

    def _reopen_if_gone(self) -> None:
        if self.stream is None:
            return
        try:
            at = os.stat(self.baseFilename)  # noqa: PTH116 - for each record
            is_same = os.path.samestat(at, os.fstat(self.stream.fileno()))
        except OSError:
            is_same = False
        if not is_same:
            self.stream.close()
            self.stream = None  # opened again by the record that comes


def last_lines(path: Path, count: int, most_bytes: int = 16 << 20) -> list[str]:
    """The last ``count`` lines of the log at ``path`` and of those it was rotated to, the oldest first.

    No more than ``most_bytes`` are read. Empty when there is no log.
    """
    parts: list[bytes] = []
    lines = 0
    for file in _newest_first(path):
        for block in _backwards(file) if file.exists() else ():
            parts.append(block)
            lines += block.count(b"\n")
            most_bytes -= len(block)
            if lines > count or most_bytes <= 0:
                return _whole(parts, count, is_cut=True)
    return _whole(parts, count, is_cut=False)


class Follower:
    """What is appended to the log at ``path`` from ``start`` on, through rotations between two looks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._lost = 0
        self._open(at_end=True)

    def lines(self) -> Iterator[str]:
        """The whole lines that came since the last look."""
        if self._file is None:
            self._open()
        while self._file is not None:
            yield from self._read(self._file)
            following = self._following(self._file)
            if following is None:
                return
            yield from self._read(self._file)  # what came before it was rotated, and after the first look
            if self._rest:
                yield self._rest.decode("utf-8", "replace")
                self._rest = b""
            self._file.close()
            self._file = following

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, *, at_end: bool = False) -> None:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            return
        if at_end:
            self._file.seek(0, os.SEEK_END)

    def _read(self, file: BinaryIO) -> Iterator[str]:
        if os.fstat(file.fileno()).st_size < file.tell():
            file.seek(0)  # somebody emptied it
        while chunk := file.read(_CHUNK):
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)

    def _following(self, file: BinaryIO) -> BinaryIO | None:
        """The file that is written after ``file``; None while there is none."""
        own = os.fstat(file.fileno())
        with ExitStack() as stack:
            # Opened, for their names move on while they are looked through.
            newer: list[BinaryIO] = []
            for candidate in _opened(self._path):
                stack.callback(candidate.close)
                if os.path.samestat(os.fstat(candidate.fileno()), own):
                    self._lost = 0
                    return _again(newer[-1]) if newer else None
                newer.append(candidate)
            self._lost += 1
            if own.st_nlink and self._lost < _LOST_LOOKS:
                return None  # it is being renamed, which makes a gap in the row
            # Deleted, or moved elsewhere: the row goes on with what was written to later.
            later = [one for one in newer if os.fstat(one.fileno()).st_mtime_ns > own.st_mtime_ns]
            return _again(later[-1]) if later else None


def _again(file: BinaryIO) -> BinaryIO:
    """The same file, to be closed by itself."""
    return os.fdopen(os.dup(file.fileno()), "rb")


def _opened(path: Path) -> Iterator[BinaryIO]:
    for file in _newest_first(path):
        with suppress(FileNotFoundError):
            yield file.open("rb")


def _newest_first(path: Path) -> Iterator[Path]:
    """``path`` and what it was rotated to, as far as there is something."""
    yield path
    number = 1
    while (rotated := path.with_name(f"{path.name}.{number}")).exists():
        yield rotated
        number += 1


def _backwards(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        while at > 0:
            begin = max(0, at - _CHUNK)
            file.seek(begin)
            yield file.read(at - begin)
            at = begin


def _whole(parts: list[bytes], count: int, *, is_cut: bool) -> list[str]:
    lines = b"".join(reversed(parts)).decode("utf-8", "replace").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if is_cut:
        lines = lines[1:]
    return lines[-count:] if count else []
