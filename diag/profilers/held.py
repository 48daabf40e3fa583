"""Program: what a process holds of all it ever allocated, told by memray at any time. ``... PORT``

It reads the tracker's stream of allocations, so that the memory this takes, and the time, are not the
service's. A line ``held`` or ``peak`` on its input is answered by a line of JSON, the bytes that follow and
what they are, and by folded stacks. What is told is a
moment old, as long as the stream took. The peak is the largest of its looks, about one a second. It ends with
its input.
"""

import json
import os
import select
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from diag.profilers.memray_stacks import MemrayStacks

if TYPE_CHECKING:
    from memray import AllocationRecord, SocketReader

_LOOK_SECONDS: Final = 1.0
#: At most this share of a processor goes into looking for the peak.
_LOOK_SHARE: Final = 0.05
_NICENESS: Final = 5
#: One place that holds so much, in pieces so large, holds address space: the store maps its file as large
#: as it may ever grow. The stream has one record a place, so what little else was taken there goes with it.
_ADDRESS_SPACE: Final = 4 << 30
_PIECE: Final = 1 << 30


class _Life:
    """The largest look so far, and the one of now."""

    def __init__(self, reader: "SocketReader") -> None:
        self._reader = reader
        self._stacks = MemrayStacks()
        self._peak: Sequence[AllocationRecord] = ()
        self._peak_size = -1

    def look(self) -> "Sequence[AllocationRecord]":
        found = self._reader.get_current_snapshot(merge_threads=True)
        held = [record for record in found if not _is_address_space(record)]
        size = sum(record.size for record in held)
        if size > self._peak_size:
            self._peak, self._peak_size = held, size
        return held

    def answer(self, what: str) -> bytes:
        held = self.look()
        records = self._peak if what == "peak" else held
        count, folded = self._stacks.folded(records)
        told = {"size": len(folded), "records": count, "follows": bool(self._reader.is_active)}
        return json.dumps(told).encode() + b"\n" + folded


def _is_address_space(record: "AllocationRecord") -> bool:
    pieces: int = max(1, record.n_allocations)
    return bool(record.size >= _ADDRESS_SPACE and record.size >= _PIECE * pieces)


def main() -> None:
    """Follow the tracker at the port given until the input ends."""
    from memray import SocketReader

    os.nice(_NICENESS)
    with SocketReader(port=int(sys.argv[1])) as reader:
        _serve(_Life(reader))


def _serve(life: _Life) -> None:
    pause = _LOOK_SECONDS
    while True:
        asked = bool(select.select([0], [], [], pause)[0])
        started = time.monotonic()
        if asked:
            line = os.read(0, 64)
            if not line:
                return
            sys.stdout.buffer.write(life.answer(line.decode().strip()))
            sys.stdout.buffer.flush()
        else:
            life.look()
        pause = max(_LOOK_SECONDS, (time.monotonic() - started) / _LOOK_SHARE)


if __name__ == "__main__":
    main()
