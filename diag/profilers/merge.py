"""Many windows into one, in a process of its own: a day of them holds the interpreter for seconds.

As a program, ``python -m diag.profilers.merge``, it reads a ``Job`` as a line of JSON from standard input,
and after it the stacks of a window that is not on disk yet. Its first line of output is JSON, the samples and
what was wrong with files that could not be read; the rest is folded stacks.
"""

import gzip
import json
import os
import sys
import threading
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

from diag.errors import Damaged
from diag.profilers.child import run_module
from diag.profilers.kept_file import parted
from diag.profilers.labels import FRAME, NONE
from diag.profilers.scratch import filled_scratch

_MODULE: Final = "diag.profilers.merge"
_NICENESS: Final = 5
_LABELLED: Final = FRAME.encode()

#: What becomes of the request that a stack was served for: left out, a frame, or a frame where there is one.
BY: Final = ("stack", "request", "label")


@dataclass(frozen=True, slots=True)
class Job:
    """``scales`` is what a sample weighs, by file, ``running`` what one of other stacks does; ``by`` is one
    of ``BY``.
    """

    scales: dict[str, float]
    by: str = "stack"
    running: float = 1.0


class Merged(NamedTuple):
    """``damaged`` names files that were left out; ``samples`` as ``Merging`` has them."""

    folded: bytes
    samples: int
    damaged: tuple[str, ...]


def merge_files(job: Job, stop: threading.Event, running: bytes = b"") -> Merged:
    """Merge the files and the folded stacks of ``running``. Blocking.

    Raises ProfilerError, NoSpace; Abandoned when ``stop`` was set.
    """
    with filled_scratch(json.dumps(asdict(job)).encode() + b"\n", running) as source:
        output = run_module(_MODULE, [], stop, source=source)
    head, _, folded = output.partition(b"\n")
    told = json.loads(head)
    return Merged(folded, told["samples"], tuple(told["damaged"]))


class Merging:
    """Adds folded stacks up; each part is taken whole or not at all."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._weights: dict[bytes, float] = {}
        self._sums = 0.0, 0.0

    def add(self, folded: bytes, scale: float) -> None:
        """ValueError for what is not folded stacks."""
        counts: dict[bytes, int] = {}
        for line in folded.splitlines():
            stack, _, text = line.rpartition(b" ")
            stack = _arranged(stack, self._by)
            counts[stack] = counts.get(stack, 0) + int(text)
        for stack, count in counts.items():
            self._weights[stack] = self._weights.get(stack, 0.0) + count * scale
        samples = sum(counts.values())
        self._sums = self._sums[0] + samples * scale, self._sums[1] + samples * scale**2

    @property
    def samples(self) -> int:
        """As many of one weight as would tell as much; fewer than there are where weights differ."""
        total, squares = self._sums
        return round(total**2 / squares) if squares else 0

    def folded(self) -> bytes:
        """Heaviest first."""
        ordered = sorted(self._weights.items(), key=lambda item: (-item[1], item[0]))
        return b"".join(b"%b %d\n" % (stack, round(weight)) for stack, weight in ordered if weight >= 0.5)


def read_window(path: Path) -> bytes:
    """The folded stacks of a window's file. Raises Damaged."""
    try:
        _, packed = parted(path, path.read_bytes())
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(f"The window {path.name} cannot be read: {error}.") from None


def _arranged(stack: bytes, by: str) -> bytes:
    labelled = stack.startswith(_LABELLED)
    if by == "stack" and labelled:
        return stack.partition(b";")[2]
    if by == "request" and not labelled:
        return b"%b;%b" % (NONE.encode(), stack)
    return stack


def main() -> None:
    """The program: less urgent than the service."""
    os.nice(_NICENESS)
    job = Job(**json.loads(sys.stdin.buffer.readline()))
    damaged: list[str] = []
    merging = Merging(job.by)
    merging.add(sys.stdin.buffer.read(), job.running)
    for name, scale in job.scales.items():
        try:
            merging.add(read_window(Path(name)), scale)
        except (Damaged, ValueError):
            damaged.append(Path(name).name.partition(".")[0])
    head = json.dumps({"samples": merging.samples, "damaged": damaged})
    sys.stdout.buffer.write(head.encode() + b"\n" + merging.folded())


if __name__ == "__main__":
    main()
