"""CPU time of each thread of this process, as the kernel counts it: what samples are held against."""

import resource
import threading
import time
from pathlib import Path

_TASKS = Path("/proc/self/task")
# Linux forms the clock of thread T as (~T << 3) | 6 and of process P as (~P << 3) | 2
# (clock_getcpuclockid(3)).
_THREAD = 6
_PROCESS = 2
_CLOCK_MONOTONIC_COARSE = 6


def kernel_tick() -> float:
    """Seconds between two ticks of the kernel, as long as a thread's time may pass unnoticed."""
    return time.clock_getres(_CLOCK_MONOTONIC_COARSE)


def clock_of(tid: int) -> int:
    """The id of the clock that counts the CPU time of one thread of this process."""
    return (~tid << 3) | _THREAD


def thread_cpu(tid: int) -> float | None:
    """CPU seconds of one thread of this process by its kernel id; None when it is gone."""
    try:
        return time.clock_gettime(clock_of(tid))
    except OSError:
        return None


def process_cpu(pid: int) -> float:
    """CPU seconds of another process; 0 when it is gone or the system has no such clock."""
    try:
        return time.clock_gettime((~pid << 3) | _PROCESS)
    except OSError:
        return 0.0


def own_sleeps() -> int:
    """How often the calling thread has waited, in its life."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def all_thread_cpu() -> dict[int, float]:
    """CPU seconds by kernel thread id, threads without Python included; empty where it is not told."""
    clocks = ((tid, thread_cpu(tid)) for tid in thread_ids())
    return {tid: seconds for tid, seconds in clocks if seconds is not None}


def thread_ids() -> list[int]:
    """Kernel ids of every thread of this process; empty where the system does not tell."""
    try:
        return [int(task.name) for task in _TASKS.iterdir()]
    except OSError:
        return []


def thread_name(tid: int) -> str:
    """The Python name of a thread, or the kernel's for one that Python does not know."""
    for thread in threading.enumerate():
        if thread.native_id == tid:
            return thread.name
    try:
        return (_TASKS / str(tid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return str(tid)
