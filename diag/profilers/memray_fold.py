"""Program: a memray capture in, folded stacks out. ``... CAPTURE MODE COUNTS``

A program of its own, because reading a capture holds the interpreter lock for hundreds of milliseconds. It is
started before the capture is whole, and waits for the end of its input.

The output is folded stacks weighted in bytes. The file COUNTS gets the number of allocations counted, and the
bytes of those left out: in front of the stacks, whoever reads them would have to copy them all to part the
two. Left out is address space: the store maps its file as large as it may ever grow, 64 GiB that are no
memory and beside which nothing else could be seen.
"""

import gc
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from diag.profilers.memray_stacks import MemrayStacks
from flamegraph.formats.memray import records

if TYPE_CHECKING:
    from memray import AllocationRecord

#: A mapping of this many bytes is address space.
_ADDRESS_SPACE: Final = 4 << 30
#: Allocations of this many bytes in the mean are too large to be pieces of memory that add up to it.
_PIECE: Final = 128 << 20

_MODES: Final = {"peak": "peak", "leaks": "leaked", "temporary": "temporary", "allocations": "all"}


def main() -> None:
    """Fold the capture in the mode, and write the counts."""
    from memray import FileReader

    sys.stdin.buffer.read()  # the input ends when the capture is whole
    gc.disable()  # of hundreds of thousands of records none is in a cycle
    path, mode, counts = sys.argv[1:]
    left_out: list[int] = []
    with FileReader(path) as reader:
        allocations, folded = MemrayStacks().folded(_memory(records(reader, _MODES[mode]), left_out))
    sys.stdout.buffer.write(folded)
    Path(counts).write_text(f"{allocations} {sum(left_out)}")


def _memory(found: "Iterable[AllocationRecord]", left_out: list[int]) -> "Iterator[AllocationRecord]":
    """The records but for mappings too large to be memory, whose bytes go to ``left_out``.

    A record is a sum over one stack's calls, small objects among them, and names the allocator of one of
    them: the allocator is not asked for, and the mean only tells a mapping from many pieces of memory.
    """
    for record in found:
        if record.size < _ADDRESS_SPACE or record.size < _PIECE * record.n_allocations:
            yield record
        else:
            left_out.append(record.size)


if __name__ == "__main__":
    main()
