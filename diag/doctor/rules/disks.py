"""Whether the disks have room and are fast enough."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from diag.doctor.facts import Cluster, Disk, NodeFacts
from diag.doctor.finding import Finding, Severity

#: A node with less calls itself not ready, however small the disk is: etcd takes as much for each part of
#: its log, and a snapshot is a second state.
CRITICAL_BYTES: Final = 64 << 20
#: The warning comes at a tenth of the disk, but neither too late to act on it nor where there is plenty.
WARN_SHARE: Final = 0.10
WARN_BYTES: Final = 512 << 20
LEAST_WARN_BYTES: Final = 2 * CRITICAL_BYTES

#: Half of a smaller disk is what a node needs free.
_TINY: Final = 2 * LEAST_WARN_BYTES

#: Every write waits for one: etcd's advice is to stay below 10 ms at the 99th percentile.
WARN_FSYNC: Final = 0.05
CRITICAL_FSYNC: Final = 0.5

_SLOW: Final = "on its machine: iostat -x 1; does another program use the disk, or is it a network's?"
_REFUSED: Final = (
    "on its machine: df -h, df -i, mount and dmesg | tail; free space if the disk is full, else mount it "
    "writable, or replace it"
)


def low(cluster: Cluster) -> Iterator[Finding]:
    """A disk that is nearly full."""
    for node in cluster.nodes.values():
        for disk in node.disks:
            short = shortage(disk)
            if short is None:
                continue
            yield Finding(
                name="disk_low",
                severity=short.severity,
                node=node.node_id,
                says=f"The disk of node {node.node_id} is {short.says}",
                evidence=(f"{disk.free} of {disk.total} bytes ({disk.free / max(1, disk.total):.1%})",),
                next=short.next,
            )


def slow_fsync(cluster: Cluster) -> Iterator[Finding]:
    """A disk on which nothing becomes durable in good time."""
    for node in cluster.nodes.values():
        writing = node.writing
        if writing.failed is not None:
            says = f"Node {node.node_id} cannot write to its disk."
            yield _of_writing(node, "critical", says, writing.failed, next_=_REFUSED)
        elif writing.stuck:
            says = f"The disk of node {node.node_id} is stuck: what it should make durable does not end."
            yield _of_writing(node, "critical", says, f"one write of 4 KiB goes on for {writing.stuck:.1f} s")
        elif writing.median >= WARN_FSYNC:
            severity: Severity = "critical" if writing.median >= CRITICAL_FSYNC else "warning"
            says = f"The disk of node {node.node_id} is slow, and every write waits for it."
            told = (
                f"to make 4 KiB durable took {1000 * writing.median:.0f} ms (median of {writing.tries}), "
                f"at most {1000 * writing.longest:.0f} ms; {1000 * WARN_FSYNC:.0f} ms are too much"
            )
            yield _of_writing(node, severity, says, told)


def _of_writing(node: NodeFacts, severity: Severity, says: str, evidence: str, next_: str = _SLOW) -> Finding:
    return Finding(
        name="slow_fsync",
        severity=severity,
        node=node.node_id,
        says=says,
        evidence=(evidence,),
        next=next_,
    )


class Shortage(NamedTuple):
    """What is short, after "the disk is", and what to do."""

    severity: Severity
    says: str
    next: str


def shortage(disk: Disk) -> Shortage | None:
    """None while there is room."""
    warned = max(LEAST_WARN_BYTES, int(min(WARN_BYTES, WARN_SHARE * disk.total)))
    if disk.free >= warned:
        return None
    free = f"{_mib(disk.free)} of {_mib(disk.total)} are free at {disk.path}"
    if disk.free < CRITICAL_BYTES:
        severity: Severity = "critical"
        bound = f"with less than {_mib(CRITICAL_BYTES)} a node is not ready"
    else:
        severity = "warning"
        bound = f"less than {_mib(warned)} is told; with less than {_mib(CRITICAL_BYTES)} it is not ready"
    if disk.total < _TINY:
        says = f"too small for a node: {free}, and {bound}."
        return Shortage(severity, says, f"move {disk.path} to a disk of {_mib(_TINY)} or more")
    remedy = f"on its machine: du -xh --max-depth=2 {disk.path} | sort -h; then free space"
    return Shortage(severity, f"nearly full: {free}, and {bound}.", remedy)


def _mib(size: int) -> str:
    return f"{size >> 20} MiB"
