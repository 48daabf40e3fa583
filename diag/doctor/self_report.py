"""What a node says of itself when the doctor asks: at hand, or found within a second."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diag.doctor.course import Course
from diag.doctor.facts import Address, Disk, Etcd, Held, NodeFacts, Standstill
from diag.doctor.rules.profiling import JUST_NOW, LATE_SECONDS
from diag.doctor.standstill import StandstillWatch
from diag.doctor.writing import WritingTrial
from diag.errors import ProfilerMissing
from diag.metrics.lag import LoopLag
from diag.processes.open_files import most_files
from diag.profilers.cpu import affordable_rate
from diag.profilers.permission import find_py_spy, read_rights
from diag.profilers.requests import CpuRequest
from diag.profilers.threadclock import thread_ids
from diag.replication import ClusterStatus, NodeAddress, OrderedLog

#: Seconds in which the parts of a report that must be waited for are there, or are told as missing.
PATIENCE: Final = 0.9

#: Seconds that count as lately.
LATELY: Final = 600.0


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where a node's facts come from. ``directories`` are those whose disks matter; the first is written to.

    ``etcd`` is given the patience in seconds; None on a node of its own. ``failed`` says why it serves no
    more, ``tokens`` why the tokens file as it is now is not used.
    """

    log: OrderedLog
    lag: LoopLag
    version: str
    clock_ms: Callable[[], int]
    configured: NodeAddress
    directories: Sequence[Path]
    snapshot_every: int
    etcd: Callable[[float], Awaitable[Etcd]] | None = None
    failed: Callable[[], str | None] = lambda: None
    tokens: Callable[[], str | None] = lambda: None
    watch: StandstillWatch
    course: Course
    memory_followed: Callable[[], bool] = lambda: False


class SelfReport:
    """Made once a node, used on its event loop."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._trial = WritingTrial(sources.directories[0])

    async def take(self) -> NodeFacts:
        """The facts now, within a second: no fault of the disk or of etcd holds them."""
        known = self._from
        etcd, writing = await asyncio.gather(self._etcd(), self._trial.take(PATIENCE))
        status = known.log.status()
        own = address(known.configured)
        threads = len(thread_ids())
        return NodeFacts(
            node_id=status.node.node_id,
            name=status.node.name,
            version=known.version,
            clustered=known.etcd is not None,
            state=status.state,
            term=status.term,
            leader=status.leader.node_id if status.leader else None,
            last_log_index=status.last_log_index,
            applied=status.last_applied.index,
            own=own,
            voters=tuple(map(address, status.voters)),
            non_voters=tuple(map(address, status.non_voters)),
            snapshot=_held(status),
            snapshot_every=known.snapshot_every,
            failed=known.failed(),
            tokens=known.tokens(),
            disks=_disks(known.directories),
            writing=writing,
            etcd=etcd,
            tracing=_refusal(),
            threads=threads,
            sampling_hz=affordable_rate(CpuRequest(frequency=1000), threads).hertz,
            most_files=most_files(),
            loop_lag=known.lag.worst(),
            standstill=_standstill(known.watch),
            memory_followed=known.memory_followed(),
            growth=known.course.growth(),
            lately=known.course.lately(LATELY),
            now_ms=known.clock_ms(),
        )

    async def _etcd(self) -> Etcd | None:
        return None if self._from.etcd is None else await self._from.etcd(PATIENCE)


def address(node: NodeAddress) -> Address:
    """As the facts have it."""
    return Address(node_id=node.node_id, raft=f"{node.raft_host}:{node.raft_port}", grpc=node.grpc_advertise)


def _standstill(watch: StandstillWatch) -> Standstill | None:
    """The worst of lately, unless a long one ended just now: that one is the more urgent."""
    stood = watch.worst(JUST_NOW)
    if stood is None or stood.seconds < LATE_SECONDS:
        stood = watch.worst(LATELY)
    if stood is None:
        return None
    ago = max(0.0, time.monotonic() - stood.ended)
    return Standstill(
        seconds=stood.seconds, ago=ago, stack=stood.stack, stopped=stood.stopped, locked=stood.locked
    )


def _held(status: ClusterStatus) -> Held | None:
    held = status.snapshot
    if held is None:
        return None
    return Held(index=held.log_id.index, created_ms=held.created_ms, content_hash=held.content_hash)


def _disks(directories: Sequence[Path]) -> tuple[Disk, ...]:
    """One of each file system; a directory that is not there yet has none."""
    found: dict[int, Disk] = {}
    for directory in directories:
        try:
            device, usage = directory.stat().st_dev, shutil.disk_usage(directory)
        except OSError:
            continue
        found.setdefault(device, Disk(path=str(directory), free=usage.free, total=usage.total))
    return tuple(found.values())


def _refusal() -> str | None:
    """Why py-spy may not read this process."""
    try:
        return read_rights(find_py_spy(None)).refusal()
    except ProfilerMissing as missing:
        return str(missing)
