"""Faults made for real in clusters of three processes, each named by ``diag doctor``, in bounded time."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from diag.cli import main
from diag.doctor.rules.members import LAG_ENTRIES
from diag.doctor.rules.state import LATE
from diag.errors import MetaError
from diag.faults import processes
from diag.faults.member import SECRET
from diag.faults.three import ThreeNodes
from diag.kv.directory import SNAPSHOT_DIR
from diag.kv.records import Record
from diag.kv.store import Store
from diag.perf.node_process import NodeProcess, free_ports
from diag.rpc.client import MetaClient
from tests.e2e.cluster import Cluster, call, cluster_of, get, level, put, status
from tests.polling import until

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("etcd"), pytest.mark.timeout(300)]

#: What the machine that runs the tests may have.
OF_THE_MACHINE = {"disk_low", "slow_fsync", "tracing_denied", "loop_blocked", "loop_late", "old_etcd"}

#: Seconds in which all is told, frozen nodes or not, with room for a busy machine.
BOUND = 3.0

Findings = dict[tuple[str, int | None], dict[str, Any]]


class Asked:
    """``diag doctor`` asked of one node after the other."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *endpoints: str, token: str = "") -> Findings:
        """The findings by name and node; the exit code must be that of the worst."""
        words = [word for endpoint in endpoints for word in ("--endpoint", endpoint)]
        began = time.monotonic()
        code = main(["doctor", "--json", *words, *(["--token", token] if token else [])])
        assert time.monotonic() - began < BOUND
        captured = self._capsys.readouterr()
        assert code in {0, 1, 2}, captured.err
        report = json.loads(captured.out)
        assert code == {"fine": 0, "warning": 1, "critical": 2}[report["severity"]]
        return {(one["name"], one["node"]): one for one in report["findings"]}

    def until(self, name: str, node: int | None, *endpoints: str, token: str = "") -> dict[str, Any]:
        """The finding, once it is there."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            one = self(*endpoints, token=token).get((name, node))
            found.extend([] if one is None else [one])
            return bool(found)

        until(look, 60)
        return found[0]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Asked:
    return Asked(capsys)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeNodes]:
    """Three nodes with disks and networks of their own; each test heals what it broke."""
    with ThreeNodes(tmp_path_factory.mktemp("apart"), apart=True) as nodes:
        yield nodes


@contextlib.contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    assert pid is not None
    processes.freeze(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def follower(nodes: ThreeNodes) -> str:
    until(lambda: nodes.leader() is not None)
    leader = nodes.leader()
    return next(name for name in ("n3", "n2") if name != leader)


def moved(nodes: ThreeNodes, name: str) -> bool:
    """Whether the node took the leadership; who was cut off a moment ago may not take it yet."""
    try:
        nodes.transfer(name)
    except MetaError:
        return False
    return True


def number(name: str) -> int:
    return int(name[1:])


def lately(nodes: ThreeNodes) -> dict[str, Any]:
    """What node 1 saw come and go; it looks each ten seconds."""
    answer = httpx.get(
        f"http://{nodes.admin('n1')}/debug/doctor/facts", headers={"Authorization": f"Bearer {SECRET}"}
    )
    told: dict[str, Any] = answer.json()["lately"]
    return told


def write(endpoint: str, entries: int) -> None:
    """One after the other, so that each is an entry of its own."""

    async def puts(client: MetaClient) -> None:
        for turn in range(entries):
            await client.put("again", b"%d" % turn)

    call([endpoint], puts)


def is_well(nodes: ThreeNodes, doctor: Asked, name: str = "n1") -> bool:
    return not {key for key in doctor(nodes.admin(name), token=SECRET) if key[0] not in OF_THE_MACHINE}


def test_three_that_are_well(apart: ThreeNodes, doctor: Asked) -> None:
    until(lambda: is_well(apart, doctor))
    for name in apart.names:
        found = doctor(apart.admin(name), token=SECRET)
        assert {key for key in found if key[0] not in OF_THE_MACHINE} == set()


def test_a_frozen_node(apart: ThreeNodes, doctor: Asked) -> None:
    sick = follower(apart)
    with frozen(apart.pids(sick).meta):
        found = doctor.until("silent_node", number(sick), apart.admin("n1"), token=SECRET)
        assert found["severity"] == "critical"
        # The frozen one is asked first, and the next one then.
        both = doctor(apart.admin("n1"), token=SECRET)
        assert ("silent_node", number(sick)) in both
        # Its etcd answers on, and would take the leadership.
        with pytest.raises(
            MetaError, match=rf"with 409: .*Node {number(sick)} does not answer.*choose another voter"
        ):
            apart.transfer(sick)
    until(lambda: is_well(apart, doctor))
    stood = doctor.until("loop_blocked", number(sick), apart.admin("n1"), token=SECRET)
    assert "the process was stopped, or got no processor" in stood["says"]


def test_a_frozen_leader(apart: ThreeNodes, doctor: Asked) -> None:
    until(lambda: apart.leader() not in (None, "n1") or moved(apart, "n2"), 60)
    sick = apart.leader()
    assert sick is not None
    with frozen(apart.pids(sick).meta):
        found = doctor.until("silent_node", number(sick), apart.admin("n1"), token=SECRET)
        assert "name it as their leader" in found["says"]
        assert "kill -9" in found["next"]
    until(lambda: is_well(apart, doctor))


def test_a_frozen_etcd(apart: ThreeNodes, doctor: Asked) -> None:
    sick = follower(apart)
    with frozen(apart.pids(sick).etcd):
        found = doctor.until("etcd_down", number(sick), apart.admin("n1"), token=SECRET)
        assert found["severity"] == "critical"
        assert doctor.until("cut_off", number(sick), apart.admin("n1"), token=SECRET)
    until(lambda: is_well(apart, doctor))


def test_an_etcd_that_is_killed_again_and_again(apart: ThreeNodes, doctor: Asked) -> None:
    sick = follower(apart)
    for _ in range(3):
        before = apart.pids(sick).etcd
        assert before is not None
        processes.kill_one(before)
        until(lambda before=before: apart.pids(sick).etcd not in (None, before))  # type: ignore[misc]
    found = doctor.until("flapping_node", number(sick), apart.admin("n1"), token=SECRET)
    assert "comes and goes" in found["says"]


def test_a_full_disk(apart: ThreeNodes, doctor: Asked) -> None:
    disk = apart.disk("n2")
    if disk is None:
        pytest.skip("no disks can be made here")
    disk.fill(leave=24 << 20)
    try:
        found = doctor.until("disk_low", 2, apart.admin("n1"), token=SECRET)
        assert (found["severity"], str(disk.path) in found["says"]) == ("critical", True)
    finally:
        disk.heal()
    until(lambda: ("disk_low", 2) not in doctor(apart.admin("n1"), token=SECRET))


def test_a_slow_and_a_stuck_disk(apart: ThreeNodes, doctor: Asked) -> None:
    sick = follower(apart)
    disk = apart.disk(sick)
    if disk is None:
        pytest.skip("no disks can be made here")
    disk.slow(stuck=0.3, free=0.02)
    try:
        slow = doctor.until("slow_fsync", number(sick), apart.admin("n1"), token=SECRET)
        assert slow["severity"] in {"warning", "critical"}
    finally:
        disk.heal()
    disk.stick()
    try:
        stuck = doctor.until("slow_fsync", number(sick), apart.admin("n1"), token=SECRET)
        assert "is stuck" in stuck["says"] or "is slow" in stuck["says"]
        # The two others take writes, and what they take is not applied here.
        write(apart.endpoint(next(name for name in apart.names if name != sick)), LAG_ENTRIES + 50)
        behind = doctor.until("lagging_node", number(sick), apart.admin("n1"), token=SECRET)
        assert "entries behind; its reads wait" in behind["says"]
    finally:
        disk.heal()
    gone = {("slow_fsync", number(sick)), ("lagging_node", number(sick))}
    until(lambda: not gone & set(doctor(apart.admin("n1"), token=SECRET)), 60)


def test_a_node_whose_network_is_cut(apart: ThreeNodes, doctor: Asked) -> None:
    if apart.network is None:
        pytest.skip("no networks can be made here")
    sick = follower(apart)
    other = next(name for name in apart.names if name != sick)
    apart.network.isolate(sick)
    try:
        assert doctor.until("silent_node", number(sick), apart.admin(other), token=SECRET)
        alone = doctor.until("no_quorum", None, apart.admin(sick), token=SECRET)
        assert "1 of its 3 voters answer, 2 are needed" in alone["says"]
    finally:
        apart.network.heal()
    until(lambda: ("silent_node", number(sick)) not in doctor(apart.admin(other), token=SECRET), 60)


def test_a_leader_that_changes_often(tmp_path: Path, doctor: Asked) -> None:
    """By order is no fault; because its etcd is silent is one."""
    with ThreeNodes(tmp_path / "moving") as nodes:
        for _ in range(4):
            until(lambda: moved(nodes, follower(nodes)), 60)
        until(lambda: lately(nodes)["leader_changes"] >= 4)
        assert ("leader_changes", None) not in doctor(nodes.admin("n1"), token=SECRET)
        for _ in range(3):
            until(lambda: nodes.leader() is not None)
            last = nodes.leader()
            assert last is not None
            with frozen(nodes.pids(last).etcd):
                until(lambda last=last: nodes.leader() not in (None, last), 60)  # type: ignore[misc]
        found = doctor.until("leader_changes", None, nodes.admin("n1"), token=SECRET)
        assert "more by order; writes wait" in found["says"]


def test_no_quorum(apart: ThreeNodes, doctor: Asked) -> None:
    """The last one of the module's cluster: two of three are killed."""
    for name in ("n2", "n3"):
        processes.kill_all(pid for pid in apart.pids(name) if pid is not None)
        apart.killed(name)
    found = doctor.until("no_quorum", None, apart.admin("n1"), token=SECRET)
    assert found["severity"] == "critical"
    assert "start node 2, 3 again" in found["next"]
    # A dead endpoint is passed over.
    both = doctor(apart.admin("n2"), apart.admin("n1"), token=SECRET)
    assert {("no_quorum", None), ("silent_node", None), ("silent_node", 3)} <= set(both)


def test_a_clock_that_is_off(tmp_path: Path, doctor: Asked) -> None:
    with ThreeNodes(tmp_path / "moved", moved=True) as nodes:
        clock = nodes.clock("n3")
        if clock is None:
            pytest.skip("no clocks can be moved here")
        clock.jump(120)
        ahead = doctor.until("clock_skew", 3, nodes.admin("n1"), token=SECRET)
        assert (ahead["severity"], "ahead of" in ahead["says"]) == ("critical", True)
        by_itself = doctor.until("clock_skew", 3, nodes.admin("n3"), token=SECRET)
        assert "ahead of" in by_itself["says"], "the one that is off says so of itself"
        clock.jump(0)
        until(lambda: ("clock_skew", 3) not in doctor(nodes.admin("n1"), token=SECRET))


def test_another_address_than_the_advertised(cluster: Cluster, doctor: Asked) -> None:
    third = cluster.nodes[3]
    third.stop()
    (port,) = free_ports(1)
    third.start(["--raft-api-port", str(port)])
    found = doctor.until("address_mismatch", 3, cluster.nodes[1].admin)
    assert found["evidence"] == [f"raft: configured 127.0.0.1:{port}, advertised {third.raft}"]


def test_a_state_that_differs(cluster: Cluster, doctor: Asked) -> None:
    third = cluster.nodes[3]
    put(cluster.nodes[1], "k", b"right")
    until(lambda: level(cluster))
    third.stop()
    with Store.open(third.directory / "raft" / "store") as store, store.write() as txn:
        found = txn.get("k")
        assert found is not None
        txn.put("k", Record(found.seq, b"wrong"))
    cluster.start(3)
    assert get(cluster.nodes[1], "/v1/ctrl/trigger_snapshot?wait=10").status_code == 200
    mismatch = doctor.until("hash_mismatch", None, cluster.nodes[1].admin)
    assert [line[:6] for line in mismatch["evidence"]] == ["node 1", "node 2", "node 3"]
    gave_up = doctor.until("stopped_serving", 3, cluster.nodes[2].admin)
    assert "differs from that of the majority" in gave_up["evidence"][0]


def test_a_node_that_makes_no_snapshots(tmp_path: Path, doctor: Asked) -> None:
    with NodeProcess(tmp_path, ["--snapshot-logs-since-last", "10"]) as node:
        snapshots = tmp_path / "raft" / SNAPSHOT_DIR
        shutil.rmtree(snapshots, ignore_errors=True)
        snapshots.write_text("where a directory should be")
        write(node.grpc, LATE * 10 + 1)
        found = doctor.until("old_snapshot", 0, node.admin)
        assert "one is due every 10" in found["says"]
        snapshots.unlink()
        write(node.grpc, 11)
        until(lambda: ("old_snapshot", 0) not in doctor(node.admin))


def test_a_log_without_room(tmp_path: Path, scratch: Path, doctor: Asked) -> None:
    never = ["--snapshot-logs-since-last", str(1 << 40), "--etcd-quota-bytes", str(16 << 20)]
    with cluster_of(tmp_path, scratch, 3, *never) as small:
        first = small.nodes[1]
        found: dict[str, dict[str, Any]] = {}

        def alarmed() -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):  # which is the fault
                put(first, f"large/{time.monotonic_ns()}", os.urandom(900_000))
            found.update({name: one for (name, _), one in doctor(first.admin).items()})
            return "log_alarm" in found

        until(alarmed, 120)
        assert "of its quota" in found["log_filling"]["says"], "it is told before it is too late"
        assert "NOSPACE of node" in found["log_alarm"]["says"]
        assert status(first)["etcd"]["phase"] == "ready"
