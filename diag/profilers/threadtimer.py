"""A one-shot timer on the CPU clock of one thread, whose signal the main thread gets.

``ITIMER_PROF`` counts the whole process: its signal does not say whose time was up, and wakes a main thread
that waits. A POSIX timer on the clock of a thread fires only while that thread runs; Python has none, so it
is made through the C library. Linux looks at such timers at its tick, ``threadclock.kernel_tick`` apart.
"""

import ctypes
import sys
import threading
from typing import Any, Final

from diag.profilers.threadclock import clock_of

_SIGEV_THREAD_ID: Final = 4


class _Event(ctypes.Structure):
    """struct sigevent of Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("padding", ctypes.c_char * 44),
    )


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Spec(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = (("interval", _Time), ("value", _Time))


class ThreadTimer:
    """A timer on the clock of the thread with kernel id ``tid``. OSError where there is none to have."""

    def __init__(self, tid: int, signum: int) -> None:
        self._library = _library()
        self._spec = _Spec()
        self._timer = ctypes.c_void_p()
        event = _Event(signo=signum, notify=_SIGEV_THREAD_ID, thread=threading.main_thread().native_id or 0)
        _check(self._library.timer_create(clock_of(tid), ctypes.byref(event), ctypes.byref(self._timer)))

    def arm(self, after: float) -> None:
        """Fire at the first tick of the kernel after the thread has used so many seconds more of CPU."""
        # What is due already would fire at once and between two ticks, which follows no chance.
        nanoseconds = max(1, round(after * 1e9))
        self._spec.value.seconds, self._spec.value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        self._library.timer_settime(self._timer, 0, ctypes.byref(self._spec), None)

    def processor(self) -> int:
        """On which one the caller runs."""
        return int(self._library.sched_getcpu())

    def fired(self) -> bool:
        """Whether it has since it was armed."""
        left = _Spec()
        self._library.timer_gettime(self._timer, ctypes.byref(left))
        return not left.value.seconds and not left.value.nanoseconds

    def close(self) -> None:
        """It fires no more."""
        self._library.timer_delete(self._timer)


def _library() -> Any:
    """The C library's functions, called without giving up the interpreter lock: each takes a microsecond."""
    if not sys.platform.startswith("linux"):
        raise OSError("only Linux has timers on the clock of a thread")
    # Before glibc 2.34 they are in a library of their own.
    for name in (None, "librt.so.1"):
        library = ctypes.PyDLL(name, use_errno=True)
        if hasattr(library, "timer_create"):
            return library
    raise OSError("the C library has no timer_create")


def _check(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), "timer_create failed")
