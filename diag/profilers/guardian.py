"""Ends a tracer whose process was killed, or which does not let go of it; a script of its own beside py-spy.

A process that is killed while a sample is taken stops once more, for its tracer, on
its way out. py-spy does not expect that: it tries to attach again for minutes, and the
process, which cannot end, keeps its ports and its locks. Seen in 1 of 5 kills at
1000 Hz. A death signal or a closed pipe would come only after that stop, so this asks
the kernel whether the process is on its way out.

A tracer that is itself stopped, swapped out or stuck in the middle of a sample keeps the process stopped with
it, and nobody in there can help. A first thread that stands in a tracing stop and was not scheduled since
the last look has not been let go; after a second of that the tracer is ended, and the kernel lets go.

Standard library only and no package import: it starts in a few milliseconds.
"""

import os
import select
import signal
import sys

# From the kernel's own flags of a task, field 9 of its stat file: ended by a signal, and exiting.
_PF_SIGNALED = 0x400
_PF_EXITING = 0x4
_EVERY = 0.2
_LOOKS = 5  # in a row that found the process held, after which the tracer is ended


def main() -> None:
    """Arguments: the pid profiled, the tracer's pid. Ends the tracer when standard input ends, too."""
    profiled, tracer = sys.argv[1], int(sys.argv[2])
    try:
        handle = os.pidfd_open(tracer)
    except ProcessLookupError:
        return
    held, looks = None, 0
    while not ending(profiled) and looks < _LOOKS:
        before, held = held, slices_while_held(profiled)
        looks = looks + 1 if held is not None and held == before else 0
        readable, _, _ = select.select([0, handle], [], [], _EVERY)
        if handle in readable:
            return
        if readable:
            break
    signal.pidfd_send_signal(handle, signal.SIGKILL)


def ending(pid: str) -> bool:
    """Whether any thread of the process is on its way out by a signal, or its first is exiting."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - pathlib takes longer to import than this runs
        return any(_flags(pid, task) & _PF_SIGNALED for task in tasks) or bool(_flags(pid, pid) & _PF_EXITING)
    except FileNotFoundError:
        return True


def slices_while_held(pid: str) -> str | None:
    """How often its first thread was scheduled, if it is in a tracing stop; None if it is not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open(f"/proc/{pid}/schedstat", "rb") as schedstat:  # noqa: PTH123 - as above
            if stat.read().rpartition(b")")[2].split()[0] != b"t":
                return None
            return schedstat.read().split()[2].decode()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _flags(pid: str, task: str) -> int:
    try:
        with open(f"/proc/{pid}/task/{task}/stat", "rb") as file:  # noqa: PTH123 - likewise
            return int(file.read().rpartition(b")")[2].split()[6])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # a thread that ended; the process is judged by the others


if __name__ == "__main__":
    main()
