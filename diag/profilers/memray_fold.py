"""Program: a memray capture in, folded stacks out. ``python -m diag.profilers.memray_fold CAPTURE MODE``

A program of its own, because reading a capture holds the interpreter lock for hundreds of milliseconds.
The first line of output is the number of allocations counted, the rest is folded stacks weighted in bytes.
"""

import sys
from typing import Final

from diag.profilers.frames import FrameNames, fold
from flamegraph.formats.memray import fold_records, records

_MODES: Final = {"peak": "peak", "leaks": "leaked", "temporary": "temporary", "allocations": "all"}


def main() -> None:
    """Fold the capture named by the first argument in the mode named by the second."""
    from memray import FileReader

    path, mode = sys.argv[1:]
    names = FrameNames()
    with FileReader(path) as reader:
        allocations, profile = fold_records(
            records(reader, _MODES[mode]), lambda *frame: names.text(*frame).encode()
        )
    folded = fold({";".join(stack): int(weight) for stack, weight in profile.stacks()})
    sys.stdout.buffer.write(b"%d\n%s" % (allocations, folded))


if __name__ == "__main__":
    main()
