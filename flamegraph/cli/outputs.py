"""Where a command writes: a file, replaced only when the new one is whole; a device; or standard output."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flamegraph.errors import OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


@contextmanager
def output(target: str) -> Iterator[BinaryIO]:
    """A stream to write to; - is standard output. A reader of a pipe that has seen enough is no error.

    Raises OutputError when it cannot be written; a file that was there is then still the old one.
    """
    if not target:
        raise OutputError("The output's name is empty; name a file, or - for standard output.")
    try:
        if target == "-" and sys.stdout is None:
            raise OutputError("Standard output is closed; name a file by -o.")
        if target == "-":
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif _is_file_to_be(target):
            with _replacing(os.path.realpath(target)) as file:
                yield file
        else:
            with open(target, "wb") as file:  # noqa: PTH123 - a device or a pipe as the user named it
                yield file
    except BrokenPipeError:
        _leave_standard_output(target)
    except OSError as error:
        _leave_standard_output(target)
        shown = "Standard output" if target == "-" else target
        raise OutputError(f"{shown} cannot be written: {error.strerror or error}.") from error


def write_text(target: str, text: str) -> None:
    """Writes a text as UTF-8, as `output` does."""
    with output(target) as file:
        file.write(text.encode("utf-8", "replace"))


def ending(target: str) -> str:
    """What a file's name ends with, from its last dot on, in lower case; empty when it has no dot."""
    return os.path.splitext(target)[1].lower()  # noqa: PTH122 - without pathlib


def complain(sentence: str) -> None:
    """Tells the user what is wrong, on standard error if there is one."""
    if sys.stderr is not None:
        print(f"flamegraph: {sentence}", file=sys.stderr)  # noqa: T201 - what a command says to its user


def _is_file_to_be(target: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(target).st_mode)  # noqa: PTH116 - without pathlib
    except FileNotFoundError:
        return True


@contextmanager
def _replacing(target: str) -> Iterator[BinaryIO]:
    beside = f"{target}.{os.getpid()}.part"
    with open(beside, "xb") as file:  # noqa: PTH123
        try:
            yield file
            file.flush()
            if os.path.exists(target):  # noqa: PTH110
                os.chmod(beside, stat.S_IMODE(os.stat(target).st_mode))  # noqa: PTH101, PTH116
            os.replace(beside, target)  # noqa: PTH105
        except BaseException:
            os.unlink(beside)  # noqa: PTH108
            raise


def _leave_standard_output(target: str) -> None:
    # Python would complain again when it closes standard output.
    if target == "-":
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
