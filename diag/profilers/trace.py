"""Every call on the event loop's thread, by cProfile, as stacks weighted in microseconds.

cProfile keeps edges, not stacks: how long f took when called by g. A stack's time is therefore shared out: a
function's callees are taken to cost in each of its contexts what they cost on average. Resuming a coroutine
counts as a call. Tracing about doubles the CPU a request costs, so keep it under 30 seconds.
"""

import asyncio
import importlib.util
import marshal
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial

from diag.errors import ProfilerBusy, ProfilerMissing
from diag.profilers.calltrace import CallTrace, Function, Stats
from diag.profilers.capture import Capture
from diag.profilers.child import run_module
from diag.profilers.frames import FrameNames, fold
from diag.profilers.requests import TraceRequest
from diag.profilers.scratch import open_scratch
from diag.profilers.work import in_thread

# Calls below this share of the whole are left inside their caller.
_THRESHOLD = 0.0005


def require_free_hook() -> None:
    """Raises ProfilerBusy when some tool has this thread's, or new threads', profile hook."""
    hook = sys.getprofile() or threading.getprofile()
    if hook is not None:
        raise ProfilerBusy(
            f"Another tool has the profile hook of this process ({type(hook).__qualname__}); end it first.",
            retry_after=1.0,
        )


async def trace(request: TraceRequest) -> Capture:
    """Trace the running loop's thread. Raises ProfilerBusy, ProfilerMissing."""
    if request.renderer == "flameprof":
        _require_flameprof()
    require_free_hook()
    tracer = CallTrace()
    started = time.monotonic()
    tracer.start()
    try:
        await asyncio.sleep(request.seconds)
    finally:
        tracer.stop()
    seconds = time.monotonic() - started
    return await in_thread("profile-trace", partial(_capture, tracer, request, seconds))


def _capture(tracer: CallTrace, request: TraceRequest, seconds: float, stop: threading.Event) -> Capture:
    stats = tracer.stats()
    picture, notes = None, ["Only the event loop's thread was traced; times are larger than without tracing."]
    if request.renderer == "flameprof":
        picture = _flameprof(stats, stop)
        if picture is None:
            notes.append("flameprof has nothing to draw: no traced function called another.")
    return Capture(
        folded=fold(fold_stats(stats)),
        kind="trace",
        unit="microseconds",
        engine="cProfile",
        mode="calls",
        seconds=seconds,
        samples=sum(entry[1] for entry in stats.values()),
        notes=tuple(notes),
        native_svg=picture,
    )


def _require_flameprof() -> None:
    if importlib.util.find_spec("flameprof") is None:
        raise ProfilerMissing("The package flameprof is not installed; install it, or leave renderer out.")


def _flameprof(stats: Stats, stop: threading.Event) -> str | None:
    with open_scratch(None) as source:
        source.write(marshal.dumps(stats))
        source.seek(0)
        return run_module("diag.profilers.calltrace", [], stop, source=source).decode() or None


@dataclass(frozen=True, slots=True)
class _Visit:
    function: Function
    seconds: float
    path: tuple[Function, ...]


def fold_stats(stats: Stats) -> dict[str, int]:
    """Microseconds by stack. What a function was given is split between itself and its callees."""
    callees: defaultdict[Function, list[tuple[Function, float]]] = defaultdict(list)
    for function, (_, _, _, _, callers) in stats.items():
        for caller, (_, _, _, cumulative) in callers.items():
            callees[caller].append((function, cumulative))
    todo = [_Visit(function, seconds, ()) for function, seconds in _roots(stats)]
    least = _THRESHOLD * sum(visit.seconds for visit in todo)
    names = FrameNames()
    weights: Counter[str] = Counter()
    while todo:
        visit = todo.pop()
        path = (*visit.path, visit.function)
        own = visit.seconds
        for callee, seconds in _shares(visit, stats[visit.function][3], callees[visit.function]):
            if seconds > least and callee not in path:
                own -= seconds
                todo.append(_Visit(callee, seconds, path))
        micros = round(own * 1e6)
        if micros > 0:
            weights[";".join(names.text(name, file, line) for file, line, name in path)] += micros
    return dict(weights)


def _roots(stats: Stats) -> list[tuple[Function, float]]:
    """Functions entered from outside the trace, and for how long."""
    found = []
    for function, (_, _, _, cumulative, callers) in stats.items():
        outside = cumulative - sum(edge[3] for edge in callers.values())
        if outside > 1e-6:
            found.append((function, outside))
    return found


def _shares(
    visit: _Visit, cumulative: float, callees: list[tuple[Function, float]]
) -> list[tuple[Function, float]]:
    total = sum(seconds for _, seconds in callees)
    if cumulative <= 0 or total <= 0:
        return []
    scale = visit.seconds / max(cumulative, total)
    return [(callee, seconds * scale) for callee, seconds in callees]
