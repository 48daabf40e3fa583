"""Whether the nodes agree on the time: an expiry is as early or late as the clock of who proposed it."""

from collections.abc import Iterator
from typing import Final

from diag.doctor.facts import Cluster, Offset
from diag.doctor.finding import Finding

WARN_SECONDS: Final = 1.0
CRITICAL_SECONDS: Final = 10.0


def skew(cluster: Cluster) -> Iterator[Finding]:
    """A clock that is certainly off: even the bound that is nearer to the others' is too far.

    Most clocks are taken to be right, so that it is not the others' fault when the node that asks is wrong.
    """
    if not cluster.offsets:
        return
    right = _middle(cluster)
    for node_id, told in cluster.offsets.items():
        offset = Offset(told.least - right.most, told.most - right.least)
        certain = max(offset.least, -offset.most)
        if certain < WARN_SECONDS:
            continue
        ahead = offset.least > 0
        yield Finding(
            name="clock_skew",
            severity="critical" if certain >= CRITICAL_SECONDS else "warning",
            node=node_id,
            says=f"The clock of node {node_id} is at least {certain:.1f} s "
            f"{'ahead of' if ahead else 'behind'} the others': keys expire too "
            f"{'early' if ahead else 'late'} while it proposes.",
            evidence=(f"the difference is between {offset.least:+.3f} s and {offset.most:+.3f} s",),
            next="on the machines: timedatectl timesync-status (or chronyc tracking)",
        )


def _middle(cluster: Cluster) -> Offset:
    """The clock in the middle; of two in the middle, that of the node that asked."""
    ordered = sorted(cluster.offsets.items(), key=lambda item: item[1].least + item[1].most)
    last = len(ordered) - 1
    middle = dict(ordered[last // 2 : (last + 1) // 2 + 1])
    return middle.get(cluster.asked) or next(iter(middle.values()))
