"""One fault under load: work, break, hold, heal, recover, and then the proof that every promise was kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import grpc.aio

from diag.errors import MetaError
from diag.faults.audit import audit
from diag.faults.clients import Clients, Ledger
from diag.faults.cluster import Cluster, Digest
from diag.faults.history import History, Operation
from diag.faults.linear import Verdict, check, check_seqs
from diag.faults.table import Row

_POLL_SECONDS = 0.1
_SHOWN = 3
_CHECK_SECONDS = 30.0


class CannotHere(Exception):
    """A fault that this machine or this cluster does not permit; the text is the reason."""


@dataclass(frozen=True)
class Fault:
    """``inject`` breaks something and ``heal`` mends it; heal must be harmless when inject failed half-way.

    ``acks`` says whether the cluster must go on to acknowledge while broken: True for the loss of a minority,
    False where it must not acknowledge anything at all (no quorum), None where either is right.
    ``longest_gap`` bounds the time without acknowledgements, in seconds, None for no bound. ``least`` is how
    many seconds it lasts at least, where what it shows takes that long.
    """

    name: str
    inject: Callable[[Cluster], Awaitable[None]]
    heal: Callable[[Cluster], Awaitable[None]]
    acks: bool | None = True
    longest_gap: float | None = 10.0
    least: float = 0.0


@dataclass(frozen=True)
class Pace:
    """Seconds: of load before the fault, of grace until it bites, and what recovery may take."""

    before: float = 1.0
    grace: float = 1.0
    recovery: float = 30.0


async def run(
    cluster: Cluster,
    fault: Fault,
    seconds: float,
    *,
    pace: Pace | None = None,
    clients: int = 12,
    directory: Path | None = None,
) -> Row:
    """Hold ``fault`` for ``seconds``, or longer if it must be, under load and judge what the cluster kept.

    The history of the shared registers is written to ``directory`` when one is given. The cluster is
    whole again afterwards, unless the row says that it did not recover.
    """
    pace = pace or Pace()
    prefix = f"__faults/{uuid4().hex[:8]}"
    nodes = {name: cluster.endpoint(name) for name in cluster.names}
    path = None if directory is None else directory / f"{fault.name.replace(' ', '-')}.jsonl"
    with History(path) as history:
        async with Clients(nodes, history, prefix=prefix, count=clients) as load:
            try:
                course = await _through(cluster, fault, load.ledger, seconds, pace)
            except CannotHere as error:
                return Row(fault.name, skipped=str(error))
        operations = history.operations()
    return await _judged(cluster, fault, prefix, load.ledger, operations, course, pace)


class _Course(NamedTuple):
    """Moments on the monotonic clock, ``recovered`` None when it did not, and what was wrong meanwhile."""

    started: float
    broken: float
    healed: float
    recovered: float | None
    stopped: float
    problems: Sequence[str]


async def _through(cluster: Cluster, fault: Fault, ledger: Ledger, seconds: float, pace: Pace) -> _Course:
    started = time.monotonic()
    await asyncio.sleep(pace.before)
    broken = time.monotonic()
    problems = await _hold(cluster, fault, ledger, seconds, pace.grace)
    healed = time.monotonic()
    recovered = await _recovered(cluster, ledger, pace.recovery)
    return _Course(started, broken, healed, recovered, time.monotonic(), problems)


async def _hold(cluster: Cluster, fault: Fault, ledger: Ledger, seconds: float, grace: float) -> list[str]:
    """Break, wait and mend; what was wrong. Raises CannotHere, with all mended."""
    problems: list[str] = []
    try:
        await fault.inject(cluster)
        bites = time.monotonic() + grace
        await asyncio.sleep(max(seconds, fault.least))
        problems += _while_broken(fault, ledger, bites, time.monotonic())
    except MetaError as error:
        problems.append(f"the fault could not be made: {error}")
    finally:
        problems += await _mend(fault, cluster)
    return problems


async def _judged(
    cluster: Cluster,
    fault: Fault,
    prefix: str,
    ledger: Ledger,
    operations: Sequence[Operation],
    course: _Course,
    pace: Pace,
) -> Row:
    problems = list(course.problems)
    if course.recovered is None:
        problems.append(f"not every node was healthy and acknowledging within {pace.recovery:g} s")
    gap = ledger.longest_gap(course.broken, course.stopped)
    if fault.acks and fault.longest_gap is not None and gap > fault.longest_gap:
        problems.append(f"{gap:.1f} s without acknowledgements, at most {fault.longest_gap:g} s are allowed")
    lost, twice, found = await _kept(cluster, prefix, ledger, pace.recovery)
    problems += [*found, *ledger.stale[:_SHOWN], *await asyncio.to_thread(_orders, operations)]
    return Row(
        fault.name,
        seconds=course.stopped - course.started,
        acked=len(ledger.ack_times),
        unknown=len(ledger.unknown) + sum(each.end is None for each in operations),
        longest_gap=gap,
        lost=lost,
        twice=twice,
        stale=len(ledger.stale),
        recovered_in=None if course.recovered is None else course.recovered - course.healed,
        problems=tuple(problems),
    )


async def _mend(fault: Fault, cluster: Cluster) -> list[str]:
    try:
        await fault.heal(cluster)
    except MetaError as error:
        return [f"the fault could not be mended: {error}"]
    return []


def _while_broken(fault: Fault, ledger: Ledger, bites: float, until: float) -> list[str]:
    acked = sum(bites < each < until for each in ledger.ack_times)
    if fault.acks is False and acked:
        return [f"{acked} writes were acknowledged while no quorum was there"]
    if fault.acks and not acked and until > bites:
        return ["nothing was acknowledged while a majority was well"]
    return []


async def _recovered(cluster: Cluster, ledger: Ledger, seconds: float) -> float | None:
    """The time when every node was healthy and a write acknowledged after that; None when time was up."""
    deadline = time.monotonic() + seconds
    healthy: float | None = None
    while time.monotonic() < deadline:
        if healthy is None:
            answers = [await asyncio.to_thread(cluster.is_healthy, name) for name in cluster.names]
            healthy = time.monotonic() if all(answers) else None
        elif ledger.ack_times and ledger.ack_times[-1] > healthy:
            return next(each for each in ledger.ack_times if each > healthy)
        await asyncio.sleep(_POLL_SECONDS)
    return None


async def _kept(cluster: Cluster, prefix: str, ledger: Ledger, seconds: float) -> tuple[int, int, list[str]]:
    """Most keys lost and applied twice on one node, and what is wrong in sentences."""
    problems = await _differences(cluster, seconds)
    lost = twice = 0
    for name in cluster.names:
        try:
            found = await audit(cluster.endpoint(name), prefix, ledger)
        except grpc.aio.AioRpcError as error:
            problems.append(f"{name} cannot be read: {error.code().name} {error.details()}")
            continue
        lost, twice = max(lost, len(found.lost)), max(twice, len(found.twice))
        for what, keys in zip(("lost", "applied twice", "of other content"), found, strict=True):
            if keys:
                problems.append(f"{name}: {len(keys)} keys {what}, such as {', '.join(keys[:_SHOWN])}")
    return lost, twice, problems


async def _differences(cluster: Cluster, seconds: float) -> list[str]:
    """Wait until all nodes are at one index, and then compare; late writes may still land meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            digests = await asyncio.to_thread(cluster.digests)
        except MetaError as error:
            trouble = f"a node's state cannot be read: {error}"
        else:
            if len({digest.applied for digest in digests.values()}) == 1:
                same = len({digest.content for digest in digests.values()}) == 1
                return [] if same else [f"states differ at one applied index: {_told(digests)}"]
            trouble = f"the nodes did not come to one applied index: {_told(digests)}"
        if time.monotonic() > deadline:
            return [trouble]
        await asyncio.sleep(_POLL_SECONDS)


def _told(digests: Mapping[str, Digest]) -> str:
    return ", ".join(f"{name} {index} {content[:12]}" for name, (index, content) in sorted(digests.items()))


def _orders(operations: Sequence[Operation]) -> list[str]:
    answers = [check(operations, _CHECK_SECONDS), check_seqs(operations)]
    return [answer.text for answer in answers if answer.verdict is not Verdict.OK]
