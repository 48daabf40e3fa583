"""Memory profiles by memray: what is allocated while the profile runs, in bytes by stack.

The Tracker is entered and left in one thread of its own. Entered on the event loop's thread, it loses the
stacks of everything that was running at that moment. The capture is not compressed, because memray would do
that under the interpreter lock. Peak and leaks need the aggregated format only (tens of kilobytes);
temporary and allocations need every single allocation, so the file is watched and the profile ends early
when it grows too big.

Entering and leaving each hold the interpreter lock for 4 to 6 ms, in which memray patches the libraries that
are loaded. Leaving an aggregated capture takes 1.2 us more for each stack and 75 ns for each block that is
still held: 20 ms are passed where 10,000 stacks hold memory, or 200,000 blocks.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from diag.errors import NoSpace, ProfilerError, ProfilerMissing
from diag.profilers.capture import Capture
from diag.profilers.child import content, started
from diag.profilers.requests import HeapRequest
from diag.profilers.scratch import open_scratch, scratch_path
from diag.profilers.span import Span
from diag.profilers.work import Abandoned

_MODULE = "diag.profilers.memray_fold"
_SPARE = 64 << 20
#: memray's own looks at the process's size, of which nothing is told; at its 10 ms they take 0.6 % of a core.
_INTERVAL_MS: Final = 1000

#: For a profile that does not follow small objects.
ARENAS: Final = "Objects of up to 512 bytes count as the arenas that Python takes for them."

#: Waits for the allocations counted, the bytes left out, and the stacks.
Fold = Callable[[threading.Event], tuple[int, int, bytes]]


class Memray:
    """Runs memray in this process. ``limit`` bounds the capture file, in bytes."""

    def __init__(self, temp_dir: Path | None, limit: int) -> None:
        self._temp_dir = temp_dir
        self._limit = limit

    def record(self, request: HeapRequest, span: Span, stop: threading.Event) -> Capture:
        """Blocking; run it in a worker thread that nothing else uses.

        Raises ProfilerMissing, ProfilerError, NoSpace; Abandoned when ``stop`` was set.
        """
        with open_scratch(self._temp_dir) as file:
            _require_space(file)
            with folding(file, request.mode, self._temp_dir) as fold:
                seconds, notes = self._track(request, file, span, stop)
                allocations, left_out, folded = fold(stop)
        if left_out:
            notes.append(f"{left_out >> 30} GiB of mapped address space are left out: they are no memory.")
        if request.mode in ("peak", "leaks"):
            notes.append("Only what was allocated during the profile counts, not what was held before it.")
        if not request.small_objects:
            notes.append(ARENAS)
        return Capture(
            folded=folded,
            kind="heap",
            unit="bytes",
            engine="memray",
            mode=request.mode,
            seconds=seconds,
            samples=allocations,
            notes=tuple(notes),
        )

    def _track(
        self, request: HeapRequest, file: IO[bytes], span: Span, stop: threading.Event
    ) -> tuple[float, list[str]]:
        try:
            from memray import FileDestination, FileFormat, Tracker
        except ImportError as error:
            raise ProfilerMissing(
                "The package memray is not installed, or not made for this platform; install memray."
            ) from error
        whole = request.mode in ("temporary", "allocations")
        tracker = Tracker(
            destination=FileDestination(scratch_path(file), overwrite=True, compress_on_exit=False),
            file_format=FileFormat.ALL_ALLOCATIONS if whole else FileFormat.AGGREGATED_ALLOCATIONS,
            trace_python_allocators=request.small_objects,
            memory_interval_ms=_INTERVAL_MS,
        )
        try:
            with tracker:
                seconds, notes = self._watch(request.seconds, file, span, stop)
        except RuntimeError as error:
            raise ProfilerError(f"memray could not start: {error}.") from error
        return seconds, notes

    def _watch(
        self, seconds: float, file: IO[bytes], span: Span, stop: threading.Event
    ) -> tuple[float, list[str]]:
        started = time.monotonic()
        span.begin()
        while not span.over() and (left := started + seconds - time.monotonic()) > 0:
            if stop.wait(min(left, span.watch)):
                raise Abandoned
            reason = self._too_big(file)
            if reason is not None:
                took = time.monotonic() - started
                return took, [f"Ended after {took:.1f} of {seconds:g} s: {reason}."]
        return time.monotonic() - started, []

    def _too_big(self, file: IO[bytes]) -> str | None:
        size = os.fstat(file.fileno()).st_size
        if size > self._limit:
            return f"the capture reached its limit of {self._limit >> 20} MiB"
        if size and _free(file) < _SPARE // 2:
            return "the disk that holds the capture is nearly full"
        return None


def _free(file: IO[bytes]) -> int:
    disk = os.fstatvfs(file.fileno())
    return disk.f_bavail * disk.f_frsize


def _require_space(file: IO[bytes]) -> None:
    free = _free(file)
    if free < _SPARE:
        raise NoSpace(
            f"A memory profile needs {_SPARE >> 20} MiB for its capture and the disk has {free >> 20} MiB "
            "free; make room, or point TMPDIR at another disk."
        )


@contextmanager
def folding(file: IO[bytes], mode: str, temp_dir: Path | None) -> Iterator[Fold]:
    """A process that will fold the capture, once that is whole.

    It starts before the capture does, so that nobody waits for it to import what reads captures.
    """
    with open_scratch(temp_dir) as counts:
        arguments = [scratch_path(file), mode, scratch_path(counts)]
        inherit = [file.fileno(), counts.fileno()]
        with started(_MODULE, arguments, inherit=inherit, temp_dir=temp_dir) as output:

            def fold(stop: threading.Event) -> tuple[int, int, bytes]:
                folded = output(stop)
                allocations, left_out = map(int, content(counts).split())
                return allocations, left_out, folded

            yield fold
