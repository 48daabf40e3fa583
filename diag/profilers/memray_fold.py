"""Program: a memray capture in, folded stacks out. ``python -m diag.profilers.memray_fold CAPTURE MODE``

A program of its own, because reading a capture holds the interpreter lock for hundreds of milliseconds.
The first line of output is the number of allocations counted, and the bytes of those left out; the rest is
folded stacks weighted in bytes. Left out is address space: the store maps its file as large as it may ever
grow, 64 GiB that are no memory and beside which nothing else could be seen.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from diag.profilers.frames import FrameNames, fold
from flamegraph.formats.memray import fold_records, records

if TYPE_CHECKING:
    from memray import AllocationRecord

#: A mapping of this many bytes is address space.
_ADDRESS_SPACE: Final = 4 << 30
#: Allocations of this many bytes in the mean are too large to be pieces of memory that add up to it.
_PIECE: Final = 128 << 20

_MODES: Final = {"peak": "peak", "leaks": "leaked", "temporary": "temporary", "allocations": "all"}


def main() -> None:
    """Fold the capture named by the first argument in the mode named by the second."""
    from memray import FileReader

    path, mode = sys.argv[1:]
    names = FrameNames()
    left_out: list[int] = []
    with FileReader(path) as reader:
        allocations, profile = fold_records(
            _memory(records(reader, _MODES[mode]), left_out), lambda *frame: names.text(*frame).encode()
        )
    folded = fold({";".join(stack): int(weight) for stack, weight in profile.stacks()})
    sys.stdout.buffer.write(b"%d %d\n%s" % (allocations, sum(left_out), folded))


def _memory(found: "Iterable[AllocationRecord]", left_out: list[int]) -> "Iterator[AllocationRecord]":
    """The records but for mappings too large to be memory, whose bytes go to ``left_out``.

    A record is a sum over one stack's calls, small objects among them, and names the allocator of one of
    them: the allocator is not asked for, and the mean only tells a mapping from many pieces of memory.
    """
    for record in found:
        if record.size >= max(_ADDRESS_SPACE, _PIECE * record.n_allocations):
            left_out.append(record.size)
        else:
            yield record


if __name__ == "__main__":
    main()
