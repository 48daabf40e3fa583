"""A stopped node's directory: whether it can start again, and from what."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from diag.doctor.finding import Finding, Report, Severity, report
from diag.doctor.offline import DirectoryFacts
from diag.doctor.rules.disks import shortage
from diag.errors import NewerFormat, OtherNode

_FRESH: Final = "start the node with an empty raft_dir and raft_config.join: it takes the cluster's state"


def no_store(facts: DirectoryFacts) -> Iterator[Finding]:
    """There is nothing to look at."""
    if not facts.exists:
        says = f"There is no node's directory at {facts.path}."
        yield _finding(
            "no_store", "critical", says, ["no store is below it"], "name the raft_dir of the node"
        )


def in_use(facts: DirectoryFacts) -> Iterator[Finding]:
    """A node runs here."""
    if facts.in_use is not None:
        says = f"A node runs in {facts.path}, so it was looked at no closer."
        yield _finding("in_use", "warning", says, [facts.in_use], "diag doctor --endpoint ITS_ADMIN_ADDRESS")


def unusable(facts: DirectoryFacts) -> Iterator[Finding]:
    """A store that the node will not start with."""
    if facts.fault is None:
        return
    if isinstance(facts.fault, NewerFormat):
        name, says, remedy = "newer_format", "is of a newer version of this program", "use the newer program"
    elif isinstance(facts.fault, OtherNode):
        name, says, remedy = "other_node", "is another node's", "start it under its own id"
    else:
        name, says = "store_damaged", "cannot be opened"
        remedy = f"diag restore --raft-dir {facts.path} --to NEW (a single node); {_FRESH} (a cluster's)"
    yield _finding(name, "critical", f"The store in {facts.path} {says}.", [str(facts.fault)], remedy)


def half_written(facts: DirectoryFacts) -> Iterator[Finding]:
    """A snapshot that was being written when the node ended."""
    if facts.half_written:
        says = (
            "A snapshot was being written when the node ended; it is of no use, and the next one removes it."
        )
        yield _finding(
            "half_written_snapshot", "warning", says, facts.half_written, "diag snapshot, once it runs"
        )


def left_over(facts: DirectoryFacts) -> Iterator[Finding]:
    """An import or a renewal that was cut short."""
    if facts.left:
        says = "A store was being replaced when the process ended; the next start puts back what was there."
        yield _finding("unfinished_import", "warning", says, facts.left, "repeat what was under way")


def bad_snapshots(facts: DirectoryFacts) -> Iterator[Finding]:
    """Snapshots that cannot be used."""
    bad = [one for one in facts.snapshots if one.fault is not None]
    if not bad:
        return
    severity: Severity = "warning" if facts.whole else "critical"
    says = f"{len(bad)} of {len(facts.snapshots)} snapshots cannot be used; {len(facts.whole)} can."
    evidence = [f"{one.name}: {one.fault}" for one in bad]
    yield _finding("snapshot_damaged", severity, says, evidence, "move it away; diag snapshot, once it runs")


def no_snapshot(facts: DirectoryFacts) -> Iterator[Finding]:
    """A state that exists once."""
    state = facts.state
    if state is not None and state.applied and not facts.snapshots:
        says = f"There is no snapshot of the {state.applied} entries in the store: nothing to go back to."
        yield _finding(
            "no_snapshot", "warning", says, [facts.path], "diag snapshot, once it runs; diag export"
        )


def other_history(facts: DirectoryFacts) -> Iterator[Finding]:
    """Snapshots that do not belong to the store beside them."""
    state = facts.state
    if state is None:
        return
    strangers = [
        f"{one.name}: of {one.state.cluster or 'a single node'}, entry {one.applied}; the store: of "
        f"{state.cluster or 'a single node'}, entry {state.applied}"
        for one in facts.whole
        if one.state is not None
        and (one.applied > state.applied or one.state.cluster not in ("", state.cluster))
    ]
    if strangers:
        says = "A snapshot is of another history than the store: of another cluster, or of a later state."
        remedy = "was a backup put back? Move the strange snapshot away, or restore all of the directory"
        yield _finding("other_cluster", "critical", says, strangers, remedy)


def log_missing(facts: DirectoryFacts) -> Iterator[Finding]:
    """A cluster's state without the log's member, or a member without its node."""
    state = facts.state
    if facts.etcd_fault is not None:
        says = "The directory of the etcd member cannot be used."
        yield _finding("log_unusable", "critical", says, [facts.etcd_fault], _FRESH)
    elif state is not None and state.cluster and facts.etcd is None:
        says = "The state is a cluster's, and the directory etcd beside it, with the log, is missing."
        yield _finding(
            "log_missing", "critical", says, [f"cluster {state.cluster}"], f"bring it back, or {_FRESH}"
        )
    elif state is not None and facts.etcd is not None and str(state.node_id) != facts.etcd[0]:
        says = "The store and the etcd member beside it are of two nodes."
        evidence = [f"store: node {state.node_id}; etcd: node {facts.etcd[0]} of {facts.etcd[1]}"]
        yield _finding("other_node", "critical", says, evidence, "bring back the one that belongs here")


def went_down(facts: DirectoryFacts) -> Iterator[Finding]:
    """A machine that went down under a running node."""
    if facts.doubtful:
        says = "The machine went down while the node ran; its start begins from the last snapshot."
        yield _finding(
            "unclean_shutdown", "warning", says, [facts.path], "start the node; it catches up by itself"
        )


def disk(facts: DirectoryFacts) -> Iterator[Finding]:
    """No room to start in."""
    short = None if facts.disk is None else shortage(facts.disk)
    if short is not None and facts.disk is not None:
        evidence = [f"{facts.disk.free} of {facts.disk.total} bytes"]
        yield _finding("disk_low", short.severity, f"The disk is {short.says}", evidence, short.next)


DIRECTORY_RULES: Final[Mapping[str, Callable[[DirectoryFacts], Iterator[Finding]]]] = {
    "no_store": no_store,
    "in_use": in_use,
    "store_unusable": unusable,
    "other_cluster": other_history,
    "log_missing": log_missing,
    "snapshot_damaged": bad_snapshots,
    "half_written_snapshot": half_written,
    "unfinished_import": left_over,
    "no_snapshot": no_snapshot,
    "unclean_shutdown": went_down,
    "disk_low": disk,
}


def examine_directory(facts: DirectoryFacts) -> Report:
    """What every rule finds."""
    findings = (found for rule in DIRECTORY_RULES.values() for found in rule(facts))
    return report(findings, (), (), tuple(DIRECTORY_RULES), directory=facts.path)


def _finding(
    name: str, severity: Severity, says: str, evidence: "list[str] | tuple[str, ...]", remedy: str
) -> Finding:
    return Finding(name=name, severity=severity, node=None, says=says, evidence=tuple(evidence), next=remedy)
