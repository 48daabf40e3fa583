"""py-spy's raw form: folded stacks of `function (file:line)`, below frames of the process and the thread.

It is read as folded stacks are, with the one thing more that those frames can be left out: their ids differ
from run to run. Lines are written as for any folded file.
"""

from __future__ import annotations

import re

from flamegraph.formats import folded
from flamegraph.formats.options import Options
from flamegraph.profile import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_STACK = re.compile(rb"(?:process \d+:|thread \(|[^;\n]* \([^();\n]*\.pyx?:\d+\)(?:;| \d))")


def sniff(head: bytes) -> bool:
    """Whether folded stacks begin with a process, a thread or a frame in a Python file."""
    return folded.sniff(head) and _STACK.match(head) is not None


def read(stream: BinaryIO, options: Options) -> Profile:
    """As `read_folded`; without frames of processes and threads when `threads` is False."""
    profile = folded.read(stream, options)
    if options.threads:
        return profile
    from flamegraph.transform import drop_threads

    return drop_threads(profile)
