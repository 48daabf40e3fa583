"""Memory since the start of the process: memray follows all of its life, and a child keeps the account.

A capture file would grow for ever, and an aggregated one is written only when its tracker ends. So the
tracker streams to a child that knows at any time what is held, in memory that is bounded by what the process
holds. The tracker is entered in a thread of its own, for the reason given in ``memory``. Where it ends,
because the child is gone, the service goes on and says so.
"""

import asyncio
import contextlib
import json
import logging
import os
import select
import socket
import subprocess
import threading
import time
from functools import partial
from typing import Final

from diag.errors import Conflict, InvalidRequest, ProfilerError, ProfilerMissing, Unavailable
from diag.processes.modules import environment, module_command
from diag.profilers.capture import Capture
from diag.profilers.child import end
from diag.profilers.memory import ARENAS
from diag.profilers.resident import resident_bytes
from diag.profilers.work import in_thread

MODES: Final = ("held", "peak")

_MODULE: Final = "diag.profilers.held"
_START_SECONDS: Final = 20.0
_ANSWER_SECONDS: Final = 120.0
_POLL: Final = 0.05
_HOST: Final = "127.0.0.1"
_GONE: Final = (
    "Memory is not followed any more: the process that kept the account has ended. Start the node again."
)

_log = logging.getLogger(__name__)


class MemoryFromStart:
    """Made, started and stopped once a process, on its event loop."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._tracker: threading.Thread | None = None
        self._over = threading.Event()
        self._failure: str | None = None
        self._since = 0.0
        self._asking = asyncio.Lock()

    async def start(self) -> None:
        """Follow from now on. What is in the way is logged, and told to whoever asks."""
        try:
            await in_thread("memory-start", self._start)
        except (ProfilerError, OSError) as error:
            self._failure = str(error)
            _log.warning("memory is not followed from the start: %s", error)

    async def stop(self) -> None:
        """Leaves neither tracker nor child; may be called when it did not start."""
        await asyncio.to_thread(self._stop)

    def require_none(self) -> None:
        """Raises Conflict while it follows: memray, and what uses the hook that it takes, run once only."""
        if self._tracker is not None and not self._child_runs():
            self._over.set()  # nobody listens to the tracker any more
            self._tracker.join(_POLL)
        if self.follows():
            raise Conflict(
                "Memory is followed since the start ([profiling] memory_from_start), and beside that no "
                "memory profile of some seconds and no call trace can be taken; /debug/pprof/memory tells "
                "what is held."
            )

    def follows(self) -> bool:
        """Whether the account is being kept."""
        return self._tracker is not None and self._tracker.is_alive() and self._child_runs()

    async def take(self, mode: str) -> Capture:
        """What is held now, or was at the peak. Raises InvalidRequest, Unavailable, ProfilerError."""
        if mode not in MODES:
            raise InvalidRequest(f"mode is {mode!r}; it must be {' or '.join(MODES)}.")
        async with self._asking:
            return await in_thread("memory-take", partial(self._take, mode))

    def _start(self, stop: threading.Event) -> None:
        try:
            from memray import SocketDestination, Tracker
        except ImportError as error:
            raise ProfilerMissing(
                "The package memray is not installed, or not made for this platform; install memray."
            ) from error
        port = _free_port()
        self._child = _reader(port)
        started = threading.Event()

        def follow() -> None:
            try:
                with Tracker(destination=SocketDestination(server_port=port, address=_HOST)):
                    started.set()
                    self._over.wait()
            except (RuntimeError, OSError) as error:
                self._failure = f"memray could not start: {error}."
                started.set()

        self._tracker = threading.Thread(target=follow, name="memory-from-start", daemon=True)
        self._tracker.start()
        deadline = time.monotonic() + _START_SECONDS
        while not started.wait(_POLL):
            if stop.is_set() or not self._child_runs() or time.monotonic() > deadline:
                self._let_go(port)
                raise ProfilerError("The process that keeps the account of memory did not start.")
        self._since = time.monotonic()
        if self._failure is not None:
            self._stop()
            raise ProfilerError(self._failure)

    def _let_go(self, port: int) -> None:
        """The tracker waits for its reader and for nothing else: be it, and go."""
        with contextlib.suppress(OSError):
            socket.create_connection((_HOST, port), timeout=1.0).close()
        self._stop()

    def _stop(self) -> None:
        self._over.set()
        if self._tracker is not None:
            self._tracker.join(_START_SECONDS)
            self._tracker = None
        child, self._child = self._child, None
        if child is not None:
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            end(child)

    def _take(self, mode: str, _stop_event: threading.Event) -> Capture:
        child = self._child
        if child is None or not self._child_runs():
            raise Unavailable(self._failure or _GONE)
        try:
            told, folded = _answer(child, mode)
        except ProfilerError:
            end(child)  # a late answer could not be told from the next one
            raise
        notes = [
            f"Since the start of the node {time.monotonic() - self._since:.0f} s ago; what was imported "
            "before is not in it."
        ]
        if mode == "peak":
            notes.append("The peak is the largest of looks taken about once a second.")
        if not told["follows"]:
            notes.append("memray has ended; this is what was held when it did.")
        notes.append(ARENAS)
        return Capture(
            folded=folded,
            kind="heap",
            unit="bytes",
            engine="memray",
            mode=mode,
            seconds=time.monotonic() - self._since,
            samples=told["records"],
            notes=(*notes, *_beside(folded)),
        )

    def _child_runs(self) -> bool:
        return self._child is not None and self._child.poll() is None


def _beside(folded: bytes) -> tuple[str, ...]:
    """What the system counts for the process, as nobody who looks for a leak can do without."""
    resident = resident_bytes()
    if resident is None:
        return ()
    tracked = sum(int(line.rpartition(b" ")[2]) for line in folded.splitlines())
    return (
        f"The process has {resident / 1e6:,.0f} MB in memory now (RSS), and {tracked / 1e6:,.0f} MB are told "
        "here; the rest is code, stacks, what came before, and pages that the allocator has not given back.",
    )


def _reader(port: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        module_command(_MODULE, str(port)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )


def _answer(child: "subprocess.Popen[bytes]", mode: str) -> tuple[dict[str, int], bytes]:
    """The whole answer even where nobody waits for it any more: half of one would spoil the next."""
    assert child.stdin is not None
    assert child.stdout is not None
    deadline = time.monotonic() + _ANSWER_SECONDS
    try:
        child.stdin.write(f"{mode}\n".encode())
        child.stdin.flush()
    except BrokenPipeError:
        raise Unavailable(_GONE) from None
    received = b""
    while b"\n" not in received:
        received += _part(child.stdout.fileno(), deadline)
    head, _, received = received.partition(b"\n")
    told: dict[str, int] = json.loads(head)
    parts, size = [received], len(received)
    while size < told["size"]:
        parts.append(_part(child.stdout.fileno(), deadline))
        size += len(parts[-1])
    return told, b"".join(parts)


def _part(descriptor: int, deadline: float) -> bytes:
    if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise ProfilerError(f"The account of memory was not there within {_ANSWER_SECONDS:g} s.")
    part = os.read(descriptor, 1 << 20)
    if not part:
        raise Unavailable(_GONE)
    return part


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as listener:
        return int(listener.getsockname()[1])
