"""Whether the process keeps up, and whether it can be looked into."""

from collections.abc import Iterator
from typing import Final

from diag.doctor.facts import Cluster, Standstill
from diag.doctor.finding import Finding

#: Seconds by which the event loop may be late, as with the readiness check.
LATE_SECONDS: Final = 2.0
WARN_LATE_SECONDS: Final = 0.5
#: Seconds after a standstill in which it is still what is wrong now; later it is a thing of the past.
JUST_NOW: Final = 30.0
#: What a CPU profile samples at where nobody asks for another rate.
USUAL_HZ: Final = 99


def loop_blocked(cluster: Cluster) -> Iterator[Finding]:
    """An event loop that a function held: every call waited."""
    for node in cluster.nodes.values():
        stood = node.standstill
        if stood is None or stood.seconds < WARN_LATE_SECONDS:
            continue
        is_urgent = stood.seconds >= LATE_SECONDS and stood.ago <= JUST_NOW
        yield Finding(
            name="loop_blocked",
            severity="critical" if is_urgent else "warning",
            node=node.node_id,
            says=f"The event loop of node {node.node_id} stood still for {stood.seconds:.2f} s, "
            f"{stood.ago:.0f} s ago{_by_whom(stood)}.",
            evidence=stood.stack or ("its stack could not be read meanwhile",),
            next=_where_to_look(stood, node.node_id),
        )


def loop_late(cluster: Cluster) -> Iterator[Finding]:
    """An event loop that has much to do: what is due runs late, though no function holds it for long."""
    for node in cluster.nodes.values():
        stood = 0.0 if node.standstill is None else node.standstill.seconds
        if node.loop_lag < WARN_LATE_SECONDS or stood >= WARN_LATE_SECONDS:
            continue
        yield Finding(
            name="loop_late",
            severity="critical" if node.loop_lag >= LATE_SECONDS else "warning",
            node=node.node_id,
            says=f"The event loop of node {node.node_id} was late by {node.loop_lag:.2f} s.",
            evidence=("the worst of the last ten seconds",),
            next=f"diag profile cpu --node {node.node_id} -o cpu.svg; "
            f"curl 'http://ADMIN_ADDRESS/debug/hot?node={node.node_id}'",
        )


def _by_whom(stood: Standstill) -> str:
    if _was_stopped(stood):
        return (
            ": the process was stopped, or got no processor, and no function held it; "
            "look for a SIGSTOP, a paused machine, or swapping"
        )
    if stood.locked:
        whose = "" if not stood.stack or _is_the_loop(stood) else f" that {stood.stack[0]} called"
        return f", held by native code{whose}: it kept the interpreter lock, and no thread of Python ran"
    return f", held by {stood.stack[0] if stood.stack else 'native code'}"


def _where_to_look(stood: Standstill, node_id: int) -> str:
    if _was_stopped(stood):
        return "vmstat 1; journalctl -k --since=-15min, on its machine"
    seen = "--engine py-spy --native " if stood.locked else ""
    return f"diag profile cpu --node {node_id} {seen}--mode wall -o wall.svg while it happens again"


def _was_stopped(stood: Standstill) -> bool:
    """Whether the process stood as a whole; so it did where the loop itself is all that is seen."""
    return stood.stopped or (_is_the_loop(stood) and not stood.locked)


def _is_the_loop(stood: Standstill) -> bool:
    """Whether the loop was seen in nothing but its own code."""
    innermost = stood.stack[0] if stood.stack else ""
    of_the_loop = any(f"({package}/" in innermost for package in ("asyncio", "uvloop"))
    return of_the_loop or "(selectors.py" in innermost


def tracing_denied(cluster: Cluster) -> Iterator[Finding]:
    """A process that py-spy may not read."""
    for node in cluster.nodes.values():
        if node.tracing is not None:
            yield Finding(
                name="tracing_denied",
                severity="warning",
                node=node.node_id,
                says=f"py-spy cannot read node {node.node_id}: no mode=gil, no native frames.",
                evidence=(node.tracing,),
                next=f"diag profile cpu --node {node.node_id} --engine py-spy -o cpu.svg, to try again",
            )


def too_many_threads(cluster: Cluster) -> Iterator[Finding]:
    """So many threads that a sample of py-spy at the usual rate would stop the process for too long."""
    for node in cluster.nodes.values():
        if node.sampling_hz and node.sampling_hz < USUAL_HZ:
            yield Finding(
                name="too_many_threads",
                severity="warning",
                node=node.node_id,
                says=f"With its {node.threads} threads node {node.node_id} is sampled by py-spy at "
                f"{node.sampling_hz} Hz at most, not at {USUAL_HZ}: a sample stops the process longer.",
                evidence=(f"{node.threads} threads",),
                next=f"diag profile threads --node {node.node_id}; and profile without --native",
            )
