"""Kill, freeze and thaw whole process trees, by the pid of their first process and never by a name."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from diag.errors import Unavailable

_POLL_SECONDS = 0.005
_END_SECONDS = 10.0


def tree(pid: int) -> list[int]:
    """The process and all its descendants, parents first; empty when it has ended."""
    children: dict[int, list[int]] = {}
    alive = set()
    for each, parent, state in _processes():
        if state != "Z":
            alive.add(each)
        children.setdefault(parent, []).append(each)
    found, left = [], [pid]
    while left:
        each = left.pop(0)
        found += [each] if each in alive else []
        left += children.get(each, [])
    return found


def kill(pid: int) -> None:
    """SIGKILL the process and its descendants, and wait until all have ended (a zombie has).

    The tree is frozen first, so that nobody restarts a child whose end it sees. Raises
    Unavailable when one has not ended within 10 s.
    """
    kill_all([pid])


def kill_all(pids: Iterable[int]) -> None:
    """The same for several trees at once: all are frozen before the first is killed."""
    pids = list(pids)
    frozen: set[int] = set()
    while new := {each for pid in pids for each in tree(pid)} - frozen:
        _signal_each(new, signal.SIGSTOP)
        frozen |= new
    _signal_each(frozen, signal.SIGKILL)
    _wait_until_ended(frozen)


def kill_one(pid: int) -> None:
    """SIGKILL one process and leave its children to what they do then; waits for its end."""
    _signal_each([pid], signal.SIGKILL)
    _wait_until_ended([pid])


def freeze(pid: int) -> None:
    """SIGSTOP the process alone: its children run on."""
    os.kill(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    """SIGCONT the process and its descendants, those that were not frozen too. Harmless when it has ended."""
    _signal_each(tree(pid), signal.SIGCONT)


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie; a frozen one runs."""
    return any(each == pid and state != "Z" for each, _, state in _processes())


def is_frozen(pid: int) -> bool:
    """Whether the process was stopped by a signal."""
    return any(each == pid and state == "T" for each, _, state in _processes())


def _signal_each(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.kill(pid, number)


def _wait_until_ended(pids: Iterable[int]) -> None:
    deadline = time.monotonic() + _END_SECONDS
    for pid in pids:
        while is_running(pid):
            if time.monotonic() > deadline:
                raise Unavailable(f"Process {pid} was killed and has not ended within {_END_SECONDS:.0f} s.")
            time.sleep(_POLL_SECONDS)


def _processes() -> list[tuple[int, int, str]]:
    """Pid, parent's pid and state letter of every process."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                text = (directory / "stat").read_text("utf-8", "replace")
            except OSError:
                continue  # it ended while we looked
            state, parent = text.rpartition(")")[2].split()[:2]
            found.append((int(directory.name), int(parent), state))
    return found
