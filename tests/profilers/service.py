"""Program: a small asyncio service that profiles itself, driven by JSON lines. ``service.py [--option ...]``

Options: ``shares`` (60/30/10 of CPU), ``parked`` (ten waiting threads), ``hold`` (keeps 50 MB a request old),
``commits`` (a thread commits to LMDB), ``compress`` (a thread compresses), ``waits`` (tasks that wait),
``leaves`` (half the CPU in long calls into C that keep the interpreter lock), ``idle`` (a tenth of a core),
``waiting`` (thousands of waits a second),
``storm`` (a thread sends the sampler's signal 5,000 times a second), ``churn`` (allocates and frees 100 kB),
``incapable`` (without CAP_SYS_PTRACE even as root), ``undumpable``, ``no-py-spy``, ``no-ptrace`` and
``no-perf`` (seccomp filters refuse it), ``worker-loop`` (the loop is not in the main thread), ``uvloop``,
``graceful`` (SIGTERM closes the profilers).
"""

import asyncio
import ctypes
import errno
import itertools
import json
import os
import platform
import random
import signal
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lmdb

from diag.errors import MetaError
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.lock import ProfileLock
from diag.profilers.requests import CpuRequest, HeapRequest, TraceRequest

PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
CAP_SYS_PTRACE = 19
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
#: Numbers of system calls, by the option that has them refused.
REFUSED = {
    "no-ptrace": {"x86_64": 101, "aarch64": 117},
    "no-perf": {"x86_64": 298, "aarch64": 241},
}


def spin(seconds: float) -> None:
    # of another length each time, so as not to keep step with the kernel's tick
    end = time.thread_time() + seconds * random.uniform(0.5, 1.5)
    while time.thread_time() < end:
        sum(range(50))


def work_a() -> None:
    spin(0.006)


def work_b() -> None:
    spin(0.003)


def work_c() -> None:
    spin(0.001)


def leaf_in_c(seconds: float) -> None:
    # about 100 million a second; of another length each time, as ``spin``
    sum(range(round(seconds * random.uniform(0.5, 1.5) * 1e8)))


def planted() -> bytearray:
    return bytearray(50_000_000)


def churned() -> int:
    return len(bytearray(100_000))


class Filter(ctypes.Structure):
    """struct sock_fprog of the kernel: a BPF program."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def refuse(call: Mapping[str, int]) -> None:
    """As container runtimes do: the system call answers EPERM, here and in every child."""
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the number of the system call
            (0x15, 0, 1, call[platform.machine()]),  # unless it is this one, skip an instruction
            (0x06, 0, 0, 0x00050000 | errno.EPERM),
            (0x06, 0, 0, 0x7FFF0000),  # allowed
        )
    )
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Filter(len(program) // 8, program)))


def echo(source: int, sink: int) -> None:
    while True:
        os.write(sink, os.read(source, 1))


def compress() -> None:
    noise = os.urandom(1 << 20)
    while True:
        zlib.compress(noise)


def commits() -> None:
    with tempfile.TemporaryDirectory() as place, lmdb.open(place, map_size=1 << 28, sync=False) as env:
        for turn in itertools.count():
            transaction = env.begin(write=True)
            for key in range(0, 20_000, 10):
                transaction.put(b"%08d" % key, b"%0100d" % turn)
            transaction.commit()


def storm() -> None:
    while True:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGPROF)
        time.sleep(0.0002)


async def inner(event: asyncio.Event) -> None:
    await event.wait()


async def outer(event: asyncio.Event) -> None:
    await inner(event)


class Service:
    def __init__(self, options: set[str]) -> None:
        self.options = options
        self.lock = ProfileLock()
        self.profilers = Profilers(
            self.lock, py_spy="/nonexistent/py-spy" if "no-py-spy" in options else None
        )
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.held: list[bytearray] = []
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.traced: defaultdict[str, float] = defaultdict(float)
        self.done = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(0, self.read)
        if "graceful" in self.options:
            loop.add_signal_handler(signal.SIGTERM, self.done.set)
        background = [
            asyncio.create_task(work(), name=work.__name__)
            for name, work in (
                ("shares", self.shares),
                ("leaves", self.leaves),
                ("idle", self.idle),
                ("waiting", self.waiting),
                ("hold", self.hold),
                ("churn", self.churn),
            )
            if name in self.options
        ]
        if "waits" in self.options:
            background += [asyncio.create_task(outer(asyncio.Event()), name="long wait") for _ in range(3)]
            background.append(asyncio.create_task(outer(asyncio.Event())))
        reply({"ready": os.getpid()})
        await self.done.wait()
        await self.profilers.close()
        for task in background:
            task.cancel()
        await asyncio.gather(*self.tasks.values(), *background, return_exceptions=True)
        loop.remove_reader(0)

    async def shares(self) -> None:
        while True:
            for work in (work_a, work_b, work_c):
                started = time.perf_counter()
                work()
                took = time.perf_counter() - started
                self.spent[work.__name__] += took
                if traced():
                    self.traced[work.__name__] += took
            await asyncio.sleep(0)

    async def leaves(self) -> None:
        while True:
            for work in (leaf_in_c, spin):
                began = time.thread_time()
                work(0.008)
                self.spent[work.__name__] += time.thread_time() - began
            await asyncio.sleep(0)

    async def idle(self) -> None:
        while True:
            spin(0.004)
            await asyncio.sleep(0.046)

    async def waiting(self) -> None:
        # as fast as two threads can call each other
        mine, theirs = os.pipe(), os.pipe()
        threading.Thread(target=echo, args=(theirs[0], mine[1]), daemon=True).start()
        while True:
            for _ in range(100):
                os.write(theirs[1], b"1")
                os.read(mine[0], 1)
            await asyncio.sleep(0)

    async def hold(self) -> None:
        import memray  # noqa: F401 - a first import in mid-profile could outlast the wait below

        while self.lock.holder() is None:  # noqa: ASYNC110 - the lock tells nobody when it is taken
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        self.held.append(planted())

    async def churn(self) -> None:
        while True:
            churned()
            await asyncio.sleep(0.01)

    def read(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            self.done.set()
        for line in data.splitlines():
            message = json.loads(line)
            if message["op"] == "cancel":
                self.tasks[message["target"]].cancel()
                continue
            task = asyncio.create_task(self.answer(message), name=f"answer-{message['op']}")
            self.tasks[message["id"]] = task

    async def answer(self, message: dict[str, Any]) -> None:
        started = time.monotonic()
        try:
            result = await self.perform(message["op"], message["request"])
        except MetaError as error:
            result = {"error": type(error).__name__, "message": str(error)}
        except asyncio.CancelledError:
            result = {"error": "CancelledError"}
        result["took"] = time.monotonic() - started
        reply({"id": message["id"], **result})

    async def perform(self, op: str, request: dict[str, Any]) -> dict[str, Any]:
        if op == "state":
            return self.state()
        if op == "close":
            await self.profilers.close()
            return {}
        before = self.spent.copy()
        capture = await self.profile(op, request)
        # What a clock on the wall saw: on a busy machine the nominal shares are those of CPU time only.
        spent = {name: seconds - before[name] for name, seconds in self.spent.items()}
        told = {"folded": capture.folded.decode(), "labelled": (capture.labelled or b"").decode()}
        return {**asdict(capture), **told, "spent": spent, "traced": self.traced}

    async def profile(self, op: str, request: dict[str, Any]) -> Capture:
        if op == "cpu":
            return await self.profilers.cpu(CpuRequest(**request), "cpu profile for a test")
        if op == "heap":
            return await self.profilers.heap(HeapRequest(**request), "heap profile for a test")
        return await self.profilers.trace(TraceRequest(**request), "trace for a test")

    def state(self) -> dict[str, Any]:
        holder = self.lock.holder()
        return {
            "holder": holder.name if holder else None,
            "hook": repr(sys.getprofile() or threading.getprofile()),
            "threads": [thread.name for thread in threading.enumerate()],
            "timers": [signal.getitimer(timer)[0] for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL)],
            "events": perf_events(),
            "handlers": [repr(signal.getsignal(number)) for number in (signal.SIGPROF, signal.SIGALRM)],
        }


def traced() -> bool:
    """Whether cProfile follows this thread; from Python 3.12 on it is no profile hook."""
    monitoring = getattr(sys, "monitoring", None)
    followed = monitoring is not None and monitoring.get_tool(monitoring.PROFILER_ID) is not None
    return followed or sys.getprofile() is not None


def perf_events() -> int:
    """File descriptors of them."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the directory itself
            found += "perf_event" in str(descriptor.readlink())
    return found


def reply(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def serve(options: set[str]) -> None:
    await Service(options).run()


def restrict(options: set[str]) -> None:
    """This process, for good."""
    if "incapable" in options:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0)
        rest = [option for option in sys.argv if option != "--incapable"]
        os.execv(sys.executable, [sys.executable, *rest])
    if "undumpable" in options:
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    for option, call in REFUSED.items():
        if option in options:
            refuse(call)


def main() -> None:
    options = {option.removeprefix("--") for option in sys.argv[1:]}
    restrict(options)
    over = threading.Event()
    if "parked" in options:
        for _ in range(10):
            threading.Thread(target=over.wait, name="parked", daemon=True).start()
    signal.signal(signal.SIGPROF, signal.SIG_IGN)  # whatever the storm sends between two profiles
    for work in (compress, commits, storm):
        if work.__name__ in options:
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
    if "worker-loop" in options:
        thread = threading.Thread(target=asyncio.run, args=(serve(options),), name="loop")
        thread.start()
        thread.join()
    elif "uvloop" in options:
        import uvloop

        uvloop.run(serve(options))
    else:
        asyncio.run(serve(options))
    over.set()


if __name__ == "__main__":
    main()
