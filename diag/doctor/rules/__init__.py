"""The rules, one a function: each looks at all facts and gives its findings, under the name in the table."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from diag.doctor.facts import Cluster
from diag.doctor.finding import Finding, Report, report
from diag.doctor.rules import addresses, clocks, disks, doors, lately, log, members, profiling, state

Rule = Callable[[Cluster], Iterator[Finding]]

#: In the order in which one who searches would look.
RULES: Final[Mapping[str, Rule]] = {
    "no_quorum": members.no_quorum,
    "cut_off": members.cut_off,
    "silent_node": members.silent_node,
    "stopped_serving": members.stopped_serving,
    "etcd_down": log.etcd_down,
    "log_alarm": log.alarm,
    "flapping_node": lately.flapping,
    "leader_changes": lately.leader_changes,
    "hash_mismatch": state.hash_mismatch,
    "lagging_node": members.lagging_node,
    "address_mismatch": addresses.mismatch,
    "address_of_another": addresses.of_another,
    "tokens_unread": doors.tokens_unread,
    "few_files": doors.few_files,
    "clock_skew": clocks.skew,
    "disk_low": disks.low,
    "slow_fsync": disks.slow_fsync,
    "old_snapshot": state.old_snapshot,
    "log_filling": log.filling,
    "old_etcd": log.old_etcd,
    "loop_blocked": profiling.loop_blocked,
    "loop_late": profiling.loop_late,
    "memory_growing": lately.memory_growing,
    "tracing_denied": profiling.tracing_denied,
    "too_many_threads": profiling.too_many_threads,
}


def examine(cluster: Cluster) -> Report:
    """What every rule finds."""
    findings = (found for rule in RULES.values() for found in rule(cluster))
    return report(findings, tuple(sorted(cluster.nodes)), tuple(sorted(cluster.silent)), tuple(RULES))
