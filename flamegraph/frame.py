"""What the name of a frame says: the function, its place in a file, a thread or a process.

Names are text to every other part of this library. The form with a place is `function (file:line)`, the one
of py-spy; formats that keep the parts apart are read into it and written from it.
"""

from __future__ import annotations

from typing import NamedTuple

_LINE_DIGITS = 9


class Place(NamedTuple):
    """A frame's name taken apart; `file` is empty and `line` 0 where the name does not say."""

    function: bytes
    file: bytes = b""
    line: int = 0


def join(place: Place) -> bytes:
    """The name of a frame at this place."""
    function, file, line = place
    if not file:
        return b"%s (:%d)" % (function, line) if line else function
    return b"%s (%s:%d)" % (function, file, line) if line else b"%s (%s)" % (function, file)


def split(name: bytes) -> Place:
    """The parts of a name that ends in ` (file:line)`; `join` gives the same name back, for any name."""
    function, found, place = name.rpartition(b" (")
    file, colon, line = place[:-1].rpartition(b":")
    if found and function and colon and file and place.endswith(b")") and _is_line(line):
        return Place(function, file, int(line))
    return Place(name)


def without_line(name: bytes) -> bytes:
    """The name without its line number."""
    function, file, line = split(name)
    return join(Place(function, file)) if line else name


def thread_of(name: bytes) -> bytes | None:
    """Which thread a frame stands for: its name, or its id if it has no name; None for a function.

    `thread (0x7F12): MainThread` is what py-spy writes, `thread: MainThread` what a label becomes.
    """
    if name.startswith(b"thread: "):
        return name[len(b"thread: ") :]
    if name.startswith(b"thread ("):
        identity, _, label = name[len(b"thread (") :].partition(b")")
        return label.removeprefix(b":").strip() or identity
    return None


def is_process(name: bytes) -> bool:
    """Whether the frame is py-spy's `process 4121:"command line"`."""
    identity, colon, _ = name.removeprefix(b"process ").partition(b":")
    return name.startswith(b"process ") and bool(colon) and identity.isdigit()


def _is_line(text: bytes) -> bool:
    return text.isdigit() and len(text) <= _LINE_DIGITS and not text.startswith(b"0")
