"""An event of the kernel's that counts one thread's CPU time, and sends the main thread a signal.

The kernel's task clock has a timer of high resolution, where timers on a thread's clock (``threadtimer``)
wait for the tick. Neither Python nor the C library has the call, see perf_event_open(2).
"""

import ctypes
import fcntl
import os
import platform
import resource
import struct
import sys
import threading
from functools import cache
from typing import Any, Final

_CALL: Final = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
_SOFTWARE, _TASK_CLOCK = 1, 1
_CLOSE_ON_EXEC: Final = 8
_DISABLED: Final = 1
_DISABLE, _PERIOD = 0x2401, 0x40082404
_SET_SIGNAL, _SET_OWNER, _OWNER_THREAD = 10, 15, 0
#: Nanoseconds to the first signal, where nobody has said: a day.
_NEVER: Final = 86_400 * 10**9
#: Until it is armed again an event repeats; a shorter period would slow the call that the handler waits for.
_LEAST: Final = 50e-6


class _Attributes(ctypes.Structure):
    """struct perf_event_attr of Linux, as long as its first version.

    ``flags`` exclude nothing. Without the kernel's share, ``exclude_kernel``, the right to count would be
    easier to have, but a moment that falls into a system call then gives no signal: 2 of 500 in a loop of
    reads.
    """

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("wakeup", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
    )


_OF_CPU: Final = {"type": _SOFTWARE, "size": ctypes.sizeof(_Attributes), "config": _TASK_CLOCK}


class PerfEvent:
    """An event on the thread with kernel id ``tid``. OSError where there is none to have.

    Its descriptor closes on exec.
    """

    def __init__(self, tid: int, signum: int) -> None:
        self._library = _library(ctypes.PyDLL)
        self._period = ctypes.c_uint64()
        self._at = ctypes.byref(self._period)
        wanted = _Attributes(**_OF_CPU, period=_NEVER, wakeup=1)
        self._descriptor = _opened(self._library, wanted, tid)
        try:
            self._signal_by(signum)
        except OSError:
            os.close(self._descriptor)
            raise

    def arm(self, after: float) -> None:
        """Signal once the thread has used so many seconds more of CPU, and again after as many."""
        self._period.value = round(max(_LEAST, after) * 1e9)
        self._library.ioctl(self._descriptor, _PERIOD, self._at)

    def close(self) -> None:
        """No signal is sent any more, even where a child that was forked holds the descriptor too."""
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, 0)
        fcntl.ioctl(self._descriptor, _DISABLE, 0)
        os.close(self._descriptor)

    def _signal_by(self, signum: int) -> None:
        owner = struct.pack("ii", _OWNER_THREAD, threading.main_thread().native_id or 0)
        fcntl.fcntl(self._descriptor, _SET_OWNER, owner)
        fcntl.fcntl(self._descriptor, _SET_SIGNAL, signum)
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, os.O_ASYNC)


class Wake:
    """While it is open, opening events is quick; it counts nothing and sends no signal.

    Where no thread of the system has an event, the kernel changes its own code for the first, and waits until
    each processor has seen that: 6 to 14 ms. The interpreter lock is given up for it, and so is to be the
    thread of the event loop.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def open(self) -> None:
        """On the calling thread, which may end before it is closed. OSError where no events are to be had."""
        wanted = _Attributes(**_OF_CPU, flags=_DISABLED)
        self._descriptor = _opened(_library(ctypes.CDLL), wanted, threading.get_native_id())

    def close(self) -> None:
        """May be called where it is not open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _opened(library: Any, wanted: _Attributes, tid: int) -> int:
    number = _CALL[platform.machine()]
    descriptor = int(library.syscall(number, ctypes.byref(wanted), tid, -1, -1, _CLOSE_ON_EXEC))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if descriptor > resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2:
        os.close(descriptor)
        raise OSError("half of the process's file descriptors are in use")
    return descriptor


@cache
def _library(kind: type[ctypes.CDLL]) -> Any:
    """The C library's functions; as PyDLL called without giving up the interpreter lock: most take a
    microsecond.
    """
    if not sys.platform.startswith("linux") or platform.machine() not in _CALL:
        raise OSError(f"no perf events on {sys.platform}, {platform.machine()}")
    library = kind(None, use_errno=True)
    library.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
    return library
