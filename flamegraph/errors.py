"""What can go wrong, each with the exit code its command ends with.

FlamegraphError            2
├── InputError             3   the profile cannot be read
├── OptionError            2   a value asked for makes no sense
├── OutputError            4   the result cannot be written
└── VerdictError           2   two profiles cannot be judged

Exit code 1 is kept for verdicts: a comparison that finds something has not failed. `flamegraph check` ends
with 2 for all of these, so that a gate needs to know three codes only.
"""

from __future__ import annotations


class FlamegraphError(Exception):
    """Base of every error this library raises on purpose; the message is a sentence for the user."""

    exit_code = 2


class InputError(FlamegraphError):
    """The input cannot be opened, or is not in the format it was said to be in."""

    exit_code = 3


class OptionError(FlamegraphError):
    """A width, threshold or unit is outside what can be drawn or compared."""


class OutputError(FlamegraphError):
    """The result cannot be written where it was asked for."""

    exit_code = 4


class VerdictError(FlamegraphError):
    """Two profiles cannot be judged: one is empty, or has too few samples."""
