"""Each rule: nothing of a healthy cluster, and its finding of the facts it is for."""

from collections.abc import Sequence
from typing import Any

import pytest

from diag.doctor.facts import (
    Address,
    Alarm,
    Cluster,
    Disk,
    Growth,
    Held,
    Lately,
    NodeFacts,
    Offset,
    Standstill,
    Writing,
)
from diag.doctor.finding import Finding
from diag.doctor.rules import RULES, examine
from tests.doctor.clusters import GIB, address, cluster, etcd, facts


def test_a_healthy_cluster_has_nothing() -> None:
    found = examine(cluster())
    assert found.findings == ()
    assert (found.severity, found.answered, found.silent) == ("fine", (1, 2, 3), ())
    assert found.checks == tuple(RULES)


def test_a_new_node_of_its_own_has_nothing() -> None:
    own = Address(node_id=0, raft="host:28103")
    node = facts(
        0,
        clustered=False,
        leader=0,
        own=own,
        voters=(own,),
        etcd=None,
        snapshot=None,
        applied=0,
        last_log_index=0,
    )
    assert examine(Cluster(0, {0: node}, {}, {0: Offset(0, 0)})).findings == ()


def test_no_clock_was_read_of_a_cluster_without_answers() -> None:
    assert list(RULES["clock_skew"](Cluster(1, {}, {1: "gone"}, {}))) == []


def found(seen: Cluster, name: str) -> Sequence[Finding]:
    """What the rule finds, each in a sentence with evidence and a command."""
    findings = list(RULES[name](seen))
    for one in findings:
        assert one.name == name
        assert one.says.endswith(".")
        assert one.evidence
        assert one.next
    assert [one for one in examine(seen).findings if one.name == name] == sorted(
        findings, key=lambda one: one.severity
    )
    return findings


def one(seen: Cluster, name: str) -> Finding:
    (finding,) = found(seen, name)
    return finding


def leaderless(node_id: int) -> NodeFacts:
    return facts(node_id, leader=None, state="Candidate")


def test_no_quorum() -> None:
    finding = one(cluster(leaderless(1), silent={2: "It is gone.", 3: "It is gone."}), "no_quorum")
    assert finding.severity == "critical"
    assert "1 of its 3 voters answer, 2 are needed" in finding.says
    assert "start node 2, 3 again" in finding.next
    assert "node 2: It is gone." in finding.evidence


def test_a_node_that_alone_knows_no_leader_is_cut_off() -> None:
    seen = cluster(leaderless(2))
    assert found(seen, "no_quorum") == []
    finding = one(seen, "cut_off")
    assert (finding.node, finding.severity) == (2, "critical")
    assert found(cluster(leaderless(1), leaderless(2), leaderless(3)), "cut_off") == []


def test_a_silent_node_with_its_reason() -> None:
    finding = one(cluster(silent={3: "Node 3 has not answered within 1.8 s."}), "silent_node")
    assert (finding.node, finding.severity) == (3, "critical")
    assert "meta-3:9191" in finding.says
    assert finding.evidence == ("Node 3 has not answered within 1.8 s.",)


def test_a_silent_node_that_leads_is_to_be_restarted() -> None:
    follows = [facts(each, leader=3, state="Follower") for each in (1, 2)]
    finding = one(cluster(*follows, silent={3: "Node 3 has not answered."}), "silent_node")
    assert "name it as their leader" in finding.says
    assert "kill -9" in finding.next
    assert "diag leave" not in finding.next
    moved = [follows[0], facts(2, leader=2, state="Leader", term=4)]
    finding = one(cluster(*moved, silent={3: "Node 3 has not answered."}), "silent_node")
    assert "leader" not in finding.says


def test_a_node_that_gave_up() -> None:
    finding = one(cluster(facts(2, failed="the log is another one", state="Shutdown")), "stopped_serving")
    assert (finding.node, finding.evidence) == (2, ("the log is another one",))


def test_a_tokens_file_with_a_slip_in_it() -> None:
    why = "/etc/tokens.toml: it is not valid TOML: Invalid value (at line 2, column 8)"
    finding = one(cluster(facts(2, tokens=why)), "tokens_unread")
    assert (finding.node, finding.severity, finding.evidence) == (2, "warning", (why,))
    assert "stay in force" in finding.says


def test_a_lagging_node() -> None:
    assert found(cluster(facts(2, applied=4000)), "lagging_node") == []
    finding = one(cluster(facts(2, applied=3999, last_log_index=3999)), "lagging_node")
    assert (finding.node, finding.severity) == (2, "warning")
    assert "1001 entries behind" in finding.says


@pytest.mark.parametrize("changed", [{"raft": "meta-2:999"}, {"grpc": "elsewhere:9191"}, {"grpc": None}])
def test_another_address_than_the_configured(changed: dict[str, str]) -> None:
    own = address(2).model_copy(update=changed)
    finding = one(cluster(facts(2, own=own)), "address_mismatch")
    assert (finding.node, finding.severity) == (2, "critical")
    assert str(next(iter(changed.values())) or "none") in finding.evidence[0]


def test_an_address_at_which_another_node_answers() -> None:
    seen = cluster()
    seen.nodes[2] = facts(3)
    assert one(seen, "address_of_another").says == "At the address of node 2 node 3 answers."


def test_a_clock_that_may_be_off_is_not_told_and_one_that_is_off_is() -> None:
    assert found(cluster(offsets={2: Offset(-5.0, 5.0)}), "clock_skew") == []
    ahead = one(cluster(offsets={2: Offset(2.0, 2.1)}), "clock_skew")
    assert (ahead.node, ahead.severity) == (2, "warning")
    assert "ahead of" in ahead.says
    behind = one(cluster(offsets={3: Offset(-61.0, -60.0)}), "clock_skew")
    assert (behind.node, behind.severity) == (3, "critical")
    assert "behind" in behind.says


def test_the_clock_that_asks_may_be_the_one_that_is_off() -> None:
    finding = one(cluster(offsets={2: Offset(60, 60), 3: Offset(60, 60)}), "clock_skew")
    assert finding.node == 1
    two = cluster(silent={3: "gone"}, offsets={2: Offset(60, 60)})
    assert one(two, "clock_skew").node == 2


@pytest.mark.parametrize(
    ("free", "total", "severity"),
    [
        (1 * GIB, 100 * GIB, None),
        (500 << 20, 100 * GIB, "warning"),
        (63 << 20, 100 * GIB, "critical"),
        (129 << 20, 500 << 20, None),
        (100 << 20, 500 << 20, "warning"),
        (400 << 20, 600 << 20, None),
        (100 << 20, 128 << 20, "warning"),
        (0, 0, "critical"),
    ],
)
def test_a_disk_that_is_nearly_full(free: int, total: int, severity: str | None) -> None:
    seen = cluster(facts(1, disks=(Disk(path="/data", free=free, total=total),)))
    assert [(each.node, each.severity) for each in found(seen, "disk_low")] == (
        [(1, severity)] if severity else []
    )


@pytest.mark.parametrize(
    ("free", "total", "says"),
    [
        (
            40 << 20,
            100 * GIB,
            "nearly full: 40 MiB of 102400 MiB are free at /data, and with less than 64 MiB a",
        ),
        (
            300 << 20,
            100 * GIB,
            "nearly full: 300 MiB of 102400 MiB are free at /data, and less than 512 MiB is",
        ),
        (
            90 << 20,
            100 << 20,
            "too small for a node: 90 MiB of 100 MiB are free at /data, and less than 128 MiB",
        ),
    ],
)
def test_a_disk_s_finding_has_the_bound_and_what_is_free(free: int, total: int, says: str) -> None:
    seen = cluster(facts(1, disks=(Disk(path="/data", free=free, total=total),)))
    finding = one(seen, "disk_low")
    assert f"The disk of node 1 is {says}" in finding.says
    assert ("move /data to" in finding.next) == (total < GIB)


@pytest.mark.parametrize(
    ("writing", "severity", "evidence"),
    [
        (Writing(tries=5, median=0.049, longest=0.3), None, ""),
        (Writing(tries=5, median=0.06, longest=0.3), "warning", "60 ms (median of 5), at most 300 ms"),
        (Writing(tries=1, median=0.7, longest=0.7), "critical", "700 ms"),
        (Writing(stuck=0.9), "critical", "goes on for 0.9 s"),
        (Writing(failed="/data: No space left on device"), "critical", "No space left"),
    ],
)
def test_a_slow_disk(writing: Writing, severity: str | None, evidence: str) -> None:
    findings = found(cluster(facts(3, writing=writing)), "slow_fsync")
    assert [(each.node, each.severity) for each in findings] == ([(3, severity)] if severity else [])
    assert not findings or evidence in findings[0].evidence[0]
    assert not findings or ("df -h" in findings[0].next) is (writing.failed is not None)


def test_a_member_that_does_not_answer() -> None:
    down = etcd(phase="waiting", restarts=4, unanswered="no answer in time", last_failure="a port is taken")
    finding = one(cluster(facts(2, etcd=down)), "etcd_down")
    assert finding.node == 2
    assert finding.evidence == ("waiting, 4 restarts: no answer in time", "a port is taken")


def test_an_alarm_is_told_once() -> None:
    alarmed = etcd(alarms=(Alarm(kind="NOSPACE", node_id=2),), db_size=2 * GIB)
    seen = cluster(*(facts(node_id, etcd=alarmed) for node_id in (1, 2, 3)))
    finding = one(seen, "log_alarm")
    assert (finding.node, finding.severity) == (2, "critical")
    assert "NOSPACE of node 2: no node takes writes" in finding.says
    assert "diag snapshot" in finding.next
    corrupt = cluster(facts(1, etcd=etcd(alarms=(Alarm(kind="CORRUPT", node_id=3),))))
    assert "diag leave --leave-id 3" in one(corrupt, "log_alarm").next


def test_a_log_that_fills() -> None:
    assert "90% of its quota" in one(cluster(facts(1, etcd=etcd(db_size=90, quota=100))), "log_filling").says
    assert found(cluster(facts(1, etcd=etcd(db_size=79, quota=100))), "log_filling") == []


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("3.5.16", True),
        ("3.5.27", True),
        ("3.5.28", False),
        ("3.6.0", False),
        ("3.5.9-rc.1", True),
        ("", False),
    ],
)
def test_an_etcd_without_a_fix(version: str, old: bool) -> None:
    assert bool(found(cluster(facts(2, etcd=etcd(version=version))), "old_etcd")) is old


def test_states_that_differ() -> None:
    other = Held(index=4096, created_ms=1, content_hash="cd" * 32)
    finding = one(cluster(facts(3, snapshot=other)), "hash_mismatch")
    assert finding.severity == "critical"
    assert [line[:8] for line in finding.evidence] == ["node 1: ", "node 2: ", "node 3: "]
    elsewhere = cluster(facts(3, snapshot=other.model_copy(update={"index": 1000})))
    assert found(elsewhere, "hash_mismatch") == []


def test_a_snapshot_that_is_missing_or_old() -> None:
    assert "it has none" in one(cluster(facts(1, snapshot=None)), "old_snapshot").evidence[0]
    old = Held(index=1, created_ms=facts(1).now_ms - 7_200_000, content_hash="ab")
    finding = one(cluster(facts(2, snapshot=old)), "old_snapshot")
    assert "4999 entries since its last snapshot; one is due every 1024" in finding.says
    assert "2.0 h old" in finding.evidence[0]


@pytest.mark.parametrize(("lag", "severity"), [(0.4, None), (0.5, "warning"), (2.0, "critical")])
def test_a_late_loop(lag: float, severity: str | None) -> None:
    seen = cluster(facts(1, loop_lag=lag))
    assert [each.severity for each in found(seen, "loop_late")] == ([severity] if severity else [])


def test_a_process_that_cannot_be_read() -> None:
    finding = one(cluster(facts(2, tracing="Tracing needs CAP_SYS_PTRACE here.")), "tracing_denied")
    assert (finding.node, finding.evidence) == (2, ("Tracing needs CAP_SYS_PTRACE here.",))


def test_too_many_threads() -> None:
    finding = one(cluster(facts(2, threads=80, sampling_hz=25)), "too_many_threads")
    assert "25 Hz" in finding.says
    assert finding.evidence == ("80 threads",)


@pytest.mark.parametrize(("limit", "told"), [(0, False), (256, True), (4095, True), (4096, False)])
def test_a_limit_of_open_files_that_is_low_however_far_it_is_raised(limit: int, told: bool) -> None:
    findings = found(cluster(facts(2, most_files=limit)), "few_files")
    assert [(each.node, each.severity) for each in findings] == ([(2, "warning")] if told else [])
    if told:
        assert f"may have {limit:,} files open" in findings[0].says
        assert "LimitNOFILE=" in findings[0].next


@pytest.mark.parametrize(("seconds", "severity"), [(0.4, None), (0.6, "warning"), (2.5, "critical")])
def test_a_loop_that_a_function_held(seconds: float, severity: str | None) -> None:
    stack = ("json_dump (app.py:3)", "handler (app.py:9)")
    seen = cluster(facts(2, standstill=Standstill(seconds=seconds, ago=3, stack=stack), loop_lag=seconds))
    findings = found(seen, "loop_blocked")
    assert [(each.node, each.severity) for each in findings] == ([(2, severity)] if severity else [])
    if findings:
        assert "held by json_dump (app.py:3)" in findings[0].says
        assert findings[0].evidence == stack
        assert found(seen, "loop_late") == [], "it is told once"


def test_a_standstill_that_is_over_is_a_warning_with_its_age() -> None:
    past = Standstill(seconds=68.95, ago=330, stack=("handler (app.py:9)",))
    finding = one(cluster(facts(2, standstill=past)), "loop_blocked")
    assert (finding.severity, "68.95 s, 330 s ago" in finding.says) == ("warning", True)


def test_a_process_that_was_stopped_blames_no_function() -> None:
    stopped = Standstill(seconds=5, ago=1, stack=("handler (app.py:9)",), stopped=True)
    finding = one(cluster(facts(2, standstill=stopped)), "loop_blocked")
    assert "no function held it; look for a SIGSTOP, a paused machine, or swapping" in finding.says
    assert "vmstat" in finding.next


def test_native_code_that_kept_the_interpreter_lock_is_no_stopped_process() -> None:
    held = Standstill(seconds=5, ago=1, stack=("handler (app.py:9)",), locked=True)
    finding = one(cluster(facts(2, standstill=held)), "loop_blocked")
    assert "held by native code that handler (app.py:9) called: it kept the interpreter lock" in finding.says
    assert "SIGSTOP" not in finding.says
    assert "--native" in finding.next
    of_another = Standstill(seconds=5, ago=1, stack=("Runner.run (asyncio/runners.py:118)",), locked=True)
    finding = one(cluster(facts(2, standstill=of_another)), "loop_blocked")
    assert "held by native code: it kept the interpreter lock" in finding.says
    assert "Runner.run" not in finding.says


def test_a_loop_that_stood_still_with_its_process_or_unseen() -> None:
    starved = Standstill(seconds=1, ago=1, stack=("Runner.run (asyncio/runners.py:118)",))
    assert "got no processor" in one(cluster(facts(1, standstill=starved)), "loop_blocked").says
    unseen = Standstill(seconds=1, ago=1)
    assert "held by native code" in one(cluster(facts(1, standstill=unseen)), "loop_blocked").says


def test_memory_that_grows() -> None:
    def grown(**changes: Any) -> Cluster:
        fields = {"seconds": 600, "first": 100 << 20, "last": 200 << 20, "steady": True}
        return cluster(facts(3, growth=Growth(**{**fields, **changes})))

    finding = one(grown(holders=(("small Python objects", 90 << 20), ("others", 1 << 20))), "memory_growing")
    assert (finding.node, finding.severity) == (3, "warning")
    assert "by 100 MiB in 10.0 min, to 200 MiB, mostly in small Python objects" in finding.says
    assert finding.evidence == ("small Python objects: +90 MiB", "others: +1 MiB")
    assert "in buffers, large objects" in one(grown(), "memory_growing").says
    assert "diag profile heap --node 3 --mode leaks" in finding.next
    followed = grown().nodes[3].model_copy(update={"memory_followed": True})
    assert "/debug/pprof/memory?mode=held&node=3" in one(cluster(followed), "memory_growing").next
    for well in ({"steady": False}, {"last": 150 << 20}, {"first": 1 << 30, "last": (1 << 30) + (100 << 20)}):
        assert found(grown(**well), "memory_growing") == []


def test_a_node_that_comes_and_goes() -> None:
    lost = facts(1, lately=Lately(seconds=600, lost=((2, 3), (3, 2))))
    finding = one(cluster(lost), "flapping_node")
    assert (finding.node, finding.evidence) == (2, ("others lost the connection to its etcd 3 times",))
    restarted = facts(3, lately=Lately(seconds=600, restarts=3), etcd=etcd(last_failure="it ended with 1"))
    assert one(cluster(restarted), "flapping_node").evidence[1:] == (
        "its etcd was started again 3 times",
        "it ended with 1",
    )


def test_a_leader_that_changes_often() -> None:
    finding = one(cluster(facts(2, lately=Lately(seconds=300, leader_changes=3))), "leader_changes")
    assert "3 times in 5.0 min" in finding.says


def test_leadership_that_was_handed_over_by_order_is_no_fault() -> None:
    def lately(changes: int, handed_over: int) -> Lately:
        return Lately(seconds=300, leader_changes=changes, handed_over=handed_over)

    seen = [facts(1, lately=lately(5, 2)), facts(2, lately=lately(5, 1)), facts(3, lately=lately(4, 0))]
    assert found(cluster(*seen), "leader_changes") == []
    more = [facts(1, lately=lately(6, 2)), facts(2, lately=lately(6, 1))]
    assert "3 times in 5.0 min, 3 more by order; writes" in one(cluster(*more), "leader_changes").says
