"""What every command reads: its options, reading with progress, and warnings about what was left out."""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flamegraph.cli import transforms
from flamegraph.cli.outputs import complain
from flamegraph.errors import InputError, OptionError
from flamegraph.profile import Profile
from flamegraph.units import UNITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_LARGE = 16 << 20
_BUFFER = 1 << 16
_SECONDS_BETWEEN = 0.2


def add_input(parser: argparse.ArgumentParser) -> None:
    """One profile to read."""
    parser.add_argument("input", help="the profile, in any format that is known; - is standard input")
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How profiles are read, and what is done to them then."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "--format", metavar="NAME", help="the input's format; found out by itself if not given"
    )
    group.add_argument(
        "--unit",
        choices=UNITS,
        metavar="NAME",
        help=f"what the weights are, where the format does not say: {', '.join(UNITS)}",
    )
    group.add_argument("--sample-type", metavar="NAME", help="which weight of several (pprof), or its index")
    group.add_argument(
        "--label", action="append", dest="labels", metavar="NAME", help="a label that becomes a frame (pprof)"
    )
    group.add_argument("--mode", metavar="NAME", help="allocations: peak, leaked, temporary or all (memray)")
    transforms.add_transforms(parser)


def read_inputs(arguments: argparse.Namespace, sources: Sequence[str]) -> list[Profile]:
    """The profiles of several inputs; standard input can be one of them."""
    if sources.count("-") > 1:
        raise OptionError("Standard input can be read once; give - for one input only.")
    return [read_input(arguments, source) for source in sources]


def read_input(arguments: argparse.Namespace, source: str) -> Profile:
    """The profile of one input, transformed as asked for. Errors name the input."""
    from flamegraph.formats import read

    if not source:
        raise InputError("The input's name is empty; name a file, or - for standard input.")
    options = {
        "sample_type": arguments.sample_type,
        "labels": tuple(arguments.labels) if arguments.labels else None,
        "mode": arguments.mode,
    }
    try:
        with _watched(source) as stream:
            profile = read(stream, format=arguments.format, unit=arguments.unit, **options)
    except InputError as error:
        raise InputError(f"{shown(source)}: {error}") from error
    _warn(source, profile)
    return transforms.apply(arguments, profile)


def _warn(source: str, profile: Profile) -> None:
    invalid = profile.metadata.get("invalid_lines")
    if invalid:
        numbers = profile.metadata["invalid_line_numbers"]
        more = ", ..." if int(invalid) > numbers.count(",") + 1 else ""
        are, were, lines = ("line is", "was", "line") if invalid == "1" else ("lines are", "were", "lines")
        complain(
            f"{shown(source)}: {invalid} {are} not a stack and a count and {were} left out "
            f"({lines} {numbers}{more})."
        )


def shown(source: str) -> str:
    """The input as messages call it."""
    return "standard input" if source == "-" else source


@contextmanager
def _watched(source: str) -> Iterator[str | BinaryIO]:
    """The source; or a stream of it that tells how far it is, where someone watches and it takes long."""
    if source == "-" and sys.stdin is None:
        raise InputError("It is closed; name a file.")
    if sys.stderr is None or not sys.stderr.isatty() or not _is_long(source):
        yield sys.stdin.buffer if source == "-" else source
        return
    with open(0 if source == "-" else source, "rb", buffering=0, closefd=source != "-") as file:
        counted = _Counted(file, os.fstat(file.fileno()).st_size)
        try:
            yield io.BufferedReader(counted, _BUFFER)
        finally:
            counted.clear()


def _is_long(source: str) -> bool:
    try:
        status = os.fstat(0) if source == "-" else os.stat(source)  # noqa: PTH116 - without pathlib
    except OSError:
        return False
    return status.st_size >= _LARGE if stat.S_ISREG(status.st_mode) else not stat.S_ISDIR(status.st_mode)


class _Counted(io.RawIOBase):
    """A raw stream that says on standard error how much of it has been read."""

    def __init__(self, raw: io.RawIOBase | io.FileIO, size: int) -> None:
        self._raw = raw
        self._size = size
        self._read = 0
        self._next = time.monotonic() + _SECONDS_BETWEEN
        self._told = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._read = self._raw.seek(offset, whence)
        return self._read

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        count = self._raw.readinto(buffer)
        self._read += count or 0
        if time.monotonic() >= self._next:
            self._tell()
        return count

    def clear(self) -> None:
        """Takes away what was told: the line belongs to what the command says next."""
        if self._told:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _tell(self) -> None:
        self._next = time.monotonic() + _SECONDS_BETWEEN
        self._told = True
        of_whole = f" of {self._size >> 20:,} MiB, {self._read / self._size:.0%}" if self._size else " MiB"
        sys.stderr.write(f"\rreading: {self._read >> 20:,}{of_whole}\x1b[K")
        sys.stderr.flush()
