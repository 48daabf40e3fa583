"""CPU and wall-clock profiles by py-spy, a child that reads this process from outside.

Which threads count as busy was settled by measurement (py-spy 0.4.3, a loop at half load beside ten parked
threads, 99 Hz). Its own idle detection, run blocking, stops and resumes every thread for a sample and then
takes many parked ones for running: 11 parked threads got 80 % of 1465 samples, and the loop lost a third of
its CPU. With ``--gil`` there were none of them, 149 samples stood for 1.47 s of CPU, and the process stood
stopped for 4 % of the time instead of 18 %. So ``cpu`` samples the holder of the interpreter lock and adds,
from the kernel's clocks, the CPU time spent without it (see ``native``); ``gil`` leaves that out; ``wall``
takes every thread.

``--nonblocking`` is never used: it glues frames of different calls together.
Output and messages go to unlinked files, so that even ``kill -9`` leaves nothing behind.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from diag.errors import ProfilerDenied, ProfilerError
from diag.profilers import guardian, native, permission, pyspy_report
from diag.profilers.capture import Capture
from diag.profilers.child import content, end
from diag.profilers.frames import fold
from diag.profilers.rate import Rate, settled
from diag.profilers.requests import CpuRequest
from diag.profilers.scratch import open_scratch, scratch_path
from diag.profilers.span import Span
from diag.profilers.threadclock import all_thread_cpu, process_cpu, thread_ids
from diag.profilers.work import Abandoned

_BANNER = b"Sampling process"
_START_LIMIT = 15.0
_STOP_LIMIT = 2.0
_POLL = 0.005
_NATIVE_RATE = 50
_BIAS = {
    "cpu": "py-spy saw who held the interpreter lock; CPU time without it stands under its thread alone.",
    "gil": "py-spy saw who held the interpreter lock; CPU time without it is not in here.",
    "wall": "py-spy saw every thread, waiting or not; it does not see asyncio tasks.",
}
_LEAST_RATE = 10


@dataclass(frozen=True, slots=True)
class _Window:
    seconds: float
    before: dict[int, float]
    after: dict[int, float]
    spy_cpu: float


class PySpy:
    """Runs py-spy against this process. ``program`` as configured, or None to look for it."""

    def __init__(self, program: str | None, temp_dir: Path | None) -> None:
        self._program = program
        self._temp_dir = temp_dir

    def record(self, request: CpuRequest, span: Span, stop: threading.Event) -> Capture:
        """Blocking; run it in a worker thread, never on the loop (a fork there stalls it).

        Raises ProfilerMissing, ProfilerDenied, ProfilerError; Abandoned when ``stop`` was set.
        """
        program = permission.find_py_spy(self._program)
        rights = permission.read_rights(program)
        refusal = rights.refusal()
        if refusal is not None:
            raise ProfilerDenied(refusal)
        chosen = affordable_rate(request, len(thread_ids()))
        rate, notes = chosen.hertz, list(chosen.notes)
        with ExitStack() as stack:
            out = stack.enter_context(open_scratch(self._temp_dir))
            log = stack.enter_context(open_scratch(self._temp_dir))
            child = _start(program, request, rate, out, log, rights)
            stack.callback(permission.allow_tracer, 0)
            stack.callback(end, child)
            stack.enter_context(_guarded(child.pid))
            window = _sample(child, request.seconds, rate, log, span, stop)
            if child.returncode != 0:
                raise _failure(child.returncode, content(log), permission.read_rights(program))
            return _capture(request, rate, notes, window, content(out), content(log))


def affordable_rate(request: CpuRequest, threads: int) -> Rate:
    """The rate to sample at.

    It is raised where py-spy would not hear its end: it listens between two samples only, and at 1 Hz was
    seen not to have ended 3 s after being asked.
    """
    most = (
        (_NATIVE_RATE, "native frames make a sample several times as expensive") if request.native else None
    )
    return settled(request.frequency, "py-spy", request.mode, threads, least=_LEAST_RATE, most=most)


def _start(
    program: Path,
    request: CpuRequest,
    rate: int,
    out: IO[bytes],
    log: IO[bytes],
    rights: permission.Rights,
) -> "subprocess.Popen[bytes]":
    command = [
        str(program),
        "record",
        "--pid",
        str(os.getpid()),
        "--format",
        "raw",
        "--output",
        scratch_path(out),
    ]
    command += ["--rate", str(rate), "--threads", "--idle" if request.mode == "wall" else "--gil"]
    if request.native:
        command.append("--native")
    gated = rights.yama == 1 and not rights.capable
    if gated:
        # The leave to trace names a pid, so the child waits for a line before it becomes py-spy.
        command = ["/bin/sh", "-c", 'read -r _ && exec "$@"', "sh", *command]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if gated else subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=(out.fileno(),),
    )
    if child.stdin is not None:
        permission.allow_tracer(child.pid)
        with child.stdin as gate, suppress(BrokenPipeError):
            gate.write(b"\n")
    return child


@contextmanager
def _guarded(tracer: int) -> Iterator[None]:
    """A guardian beside the tracer, ended with the block."""
    if not hasattr(os, "pidfd_open"):
        yield  # only Linux stops a killed process for its tracer
        return
    command = [sys.executable, "-I", "-S", guardian.__file__, str(os.getpid()), str(tracer)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as guard:
        try:
            yield
        finally:
            guard.kill()


def _sample(
    child: "subprocess.Popen[bytes]",
    seconds: float,
    rate: int,
    log: IO[bytes],
    span: Span,
    stop: threading.Event,
) -> _Window:
    deadline = time.monotonic() + _START_LIMIT
    while child.poll() is None and _BANNER not in content(log):
        if stop.wait(_POLL):
            raise Abandoned
        if time.monotonic() > deadline:
            raise ProfilerError(f"py-spy did not start to sample within {_START_LIMIT:g} s.")
    started, before, spy_cpu = time.monotonic(), all_thread_cpu(), process_cpu(child.pid)
    span.begin()
    while child.poll() is None and not span.over() and (left := started + seconds - time.monotonic()) > 0:
        if stop.wait(min(left, span.watch)):
            raise Abandoned
    spy_cpu = process_cpu(child.pid) - spy_cpu
    window = _Window(time.monotonic() - started, before, all_thread_cpu(), spy_cpu)
    _finish(child, _STOP_LIMIT + 1.0 / rate, stop)
    return window


def _finish(child: "subprocess.Popen[bytes]", limit: float, stop: threading.Event) -> None:
    """Ask for the output (SIGINT) and wait ``limit`` seconds for it: py-spy listens between two samples."""
    with suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    deadline = time.monotonic() + limit
    while child.poll() is None:
        if stop.wait(_POLL):
            raise Abandoned
        if time.monotonic() > deadline:
            raise ProfilerError(f"py-spy did not end within {limit:g} s of being asked, and was killed.")


def _failure(status: int, log: bytes, rights: permission.Rights) -> ProfilerError:
    if status < 0:
        return ProfilerError(
            f"py-spy was ended by {signal.Signals(-status).name} before it had written what it saw: by "
            "somebody, for want of memory, or because it kept the process stopped for a second."
        )
    said = log.decode(errors="replace")
    refusal = rights.refusal() or permission.explain_failure(said, rights)
    if refusal is not None:
        return ProfilerDenied(refusal)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    detail = next((line for line in lines if line.startswith("Error")), lines[-1] if lines else "nothing")
    return ProfilerError(f"py-spy failed; it said: {detail}")


def _capture(
    request: CpuRequest, rate: int, notes: list[str], window: _Window, out: bytes, log: bytes
) -> Capture:
    stacks = pyspy_report.read_stacks(out.decode(errors="replace"), skip=threading.get_native_id())
    messages = log.decode(errors="replace")
    weights = dict(stacks.by_thread if request.mode == "wall" else stacks.merged)
    effective = _effective_rate(
        request.mode, rate, window.seconds, stacks, pyspy_report.read_behind(messages)
    )
    if request.mode == "cpu":
        weights |= native.unseen(window.before, window.after, effective, stacks.seen)
    if stacks.rootless and not request.native:
        notes.append(
            f"{stacks.rootless} samples start neither at a module nor at a thread: the thread was made by "
            "native code, or the stack was cut off."
        )
    if request.native:
        notes.append("Reading the native symbols stopped the process for up to 0.2 s at the start.")
    if effective < 0.9 * rate:
        notes.append(f"py-spy fell behind: about {effective:.0f} of {rate} samples a second were taken.")
    return Capture(
        folded=fold(weights),
        kind="cpu",
        unit="samples",
        engine="py-spy",
        mode=request.mode,
        seconds=window.seconds,
        samples=sum(weights.values()),
        errors=pyspy_report.read_errors(messages),
        rate_asked=None if request.frequency is None else float(request.frequency),
        rate_effective=effective,
        pause_share=min(1.0, window.spy_cpu / window.seconds) if window.seconds > 0 else None,
        notes=(_BIAS[request.mode], *notes),
    )


def _effective_rate(
    mode: str, rate: int, seconds: float, stacks: pyspy_report.Stacks, behind: float
) -> float:
    """A wall sample has every thread, so the fullest counts the ticks; else py-spy's word is taken."""
    if mode == "wall" and stacks.seen and behind:
        return min(float(rate), max(stacks.seen.values()) / seconds)
    return rate * max(0.0, 1.0 - behind / max(seconds, behind, 1e-9))
