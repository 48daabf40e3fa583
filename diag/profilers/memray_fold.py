"""Program: a memray capture in, folded stacks out. ``python -m diag.profilers.memray_fold CAPTURE MODE``

A program of its own, because reading a capture holds the interpreter lock for hundreds of milliseconds.
The first line of output is the number of allocations counted, the rest is folded stacks weighted in bytes.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from diag.profilers.frames import FrameNames, fold

if TYPE_CHECKING:
    from memray import AllocationRecord, FileReader

NO_STACK = "[no Python stack]"


def fold_records(records: "Iterable[AllocationRecord]") -> tuple[int, bytes]:
    """Number of allocations, and their bytes by stack. Frames come innermost first; frees carry no bytes."""
    names = FrameNames()
    stacks: dict[int, str] = {}
    weights: Counter[str] = Counter()
    allocations = 0
    for record in records:
        if not record.size:
            continue
        key = record.stack_id
        stack = stacks.get(key)
        if stack is None:
            frames = [names.text(*frame) for frame in record.stack_trace()]
            stack = stacks[key] = ";".join(reversed(frames)) or NO_STACK
        weights[stack] += record.size
        allocations += record.n_allocations
    return allocations, fold(weights)


def read_records(reader: "FileReader", mode: str) -> "Iterable[AllocationRecord]":
    """The records that a mode is about."""
    if mode == "peak":
        return reader.get_high_watermark_allocation_records(merge_threads=True)
    if mode == "leaks":
        return reader.get_leaked_allocation_records(merge_threads=True)
    if mode == "temporary":
        return reader.get_temporary_allocation_records(merge_threads=True, threshold=1)
    return (record for record in reader.get_allocation_records() if record.allocator not in _frees())


def _frees() -> frozenset[int]:
    from memray import AllocatorType

    return frozenset({AllocatorType.FREE, AllocatorType.MUNMAP, AllocatorType.PYMALLOC_FREE})


def main() -> None:
    """Fold the capture named by the first argument in the mode named by the second."""
    from memray import FileReader

    path, mode = sys.argv[1:]
    with FileReader(path) as reader:
        allocations, folded = fold_records(read_records(reader, mode))
    sys.stdout.buffer.write(b"%d\n%s" % (allocations, folded))


if __name__ == "__main__":
    main()
