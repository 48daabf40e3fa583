"""Three nodes, of which one is killed, frozen, left behind, or spoiled."""

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc.aio
import httpx
import pytest

from diag.errors import Unavailable
from diag.kv.records import Record
from diag.kv.store import Store
from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient
from tests.e2e.cluster import Cluster, call, cluster_of, get, level, put, status, values
from tests.e2e.conftest import children_of, processes
from tests.polling import until

#: Several processes to start, on a machine that may be busy.
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("etcd"), pytest.mark.timeout(300)]

_WRITERS = 8


class Writers:
    """Puts of new keys at all nodes of a cluster, until told to end; an unknown outcome ends a key's turn."""

    def __init__(self, cluster: Cluster) -> None:
        self.acknowledged: dict[str, bytes] = {}
        self.failed: list[str] = []
        self._endpoints = cluster.endpoints
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def end(self) -> None:
        """Wait for the writes in hand."""
        self._ending.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        await asyncio.gather(*(self._write(number) for number in range(_WRITERS)))

    async def _write(self, number: int) -> None:
        at = number % len(self._endpoints)
        async with MetaClient([*self._endpoints[at:], *self._endpoints[:at]]) as client:
            turn = 0
            while not self._ending.is_set():
                key, value = f"ack/{number}/{turn}", f"value {turn}".encode()
                turn += 1
                try:
                    await client.put(key, value)
                except grpc.aio.AioRpcError:
                    self.failed.append(key)
                else:
                    self.acknowledged[key] = value


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_a_kill_loses_nothing_and_the_others_go_on(cluster: Cluster, role: str) -> None:
    leader = cluster.leader()
    chosen = leader if role == "leader" else next(node_id for node_id in cluster.nodes if node_id != leader)
    killed = cluster.nodes[chosen]
    etcd = [child.pid for child in children_of(killed.pid) if "etcd" in child.command]
    assert etcd
    writers = Writers(cluster)
    try:
        until(lambda: len(writers.acknowledged) > 300)
        killed.kill()
        until(lambda: not set(etcd) & {process.pid for process in processes()})
        before = len(writers.acknowledged)
        until(lambda: len(writers.acknowledged) > before + 300)
        assert cluster.leader() != (chosen if role == "leader" else None)
    finally:
        writers.end()
    cluster.start(chosen)
    until(lambda: level(cluster))
    for node in cluster.nodes.values():
        stored = values(node, "ack/")
        assert writers.acknowledged.items() <= stored.items()
        assert stored.keys() <= writers.acknowledged.keys() | set(writers.failed)


def test_without_a_majority_nothing_is_acknowledged_or_read(cluster: Cluster) -> None:
    put(cluster.nodes[1], "k", b"1")
    for node_id in (2, 3):
        cluster.nodes[node_id].kill()
    left = cluster.nodes[1]
    until(lambda: get(left, "/readyz").status_code == 503)
    with pytest.raises(grpc.aio.AioRpcError):
        put(left, "k", b"2")
    with pytest.raises(grpc.aio.AioRpcError):
        values(left, "k")
    assert get(left, "/v1/health").status_code == 200
    cluster.start(2)
    until(lambda: get(left, "/readyz").status_code == 200)
    assert values(left, "k")["k"] in (b"1", b"2")
    put(left, "k", b"3")
    assert values(cluster.nodes[2], "k") == {"k": b"3"}


def write_many(node: NodeProcess, name: str, count: int) -> None:
    async def work(client: MetaClient) -> None:
        for number in range(count):
            await client.put(f"{name}/{number}", b"v")

    call(node, work)


def compact_past(cluster: Cluster, index: int) -> None:
    """Write through node 1 until the log no longer goes back to ``index``."""
    first = cluster.nodes[1]
    turn = 0

    def gone() -> bool:
        nonlocal turn
        turn += 1
        write_many(first, f"many/{turn}", 100)
        return ((status(first)["purged"] or {}).get("index") or 0) > index

    until(gone, 60)


def serves(node: NodeProcess) -> bool:
    """Whether it answers; one that starts again does not for a moment."""
    try:
        return get(node, "/v1/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def brief(tmp_path: Path, scratch: Path) -> Iterator[Cluster]:
    """Three nodes that take a snapshot often."""
    with cluster_of(tmp_path, scratch, 3, "--snapshot-logs-since-last", "50") as running:
        yield running


def test_a_node_stopped_past_a_compaction_takes_a_snapshot(brief: Cluster) -> None:
    third = brief.nodes[3]
    write_many(brief.nodes[1], "first", 10)
    until(lambda: level(brief))
    at = status(third)["last_applied"]["index"]
    third.stop()
    compact_past(brief, at)
    brief.start(3)
    assert values(third, "") == values(brief.nodes[1], "")
    until(lambda: level(brief))
    put(third, "again")


def test_a_node_frozen_past_a_compaction_goes_on(brief: Cluster) -> None:
    third = brief.nodes[3]
    until(lambda: level(brief))
    at = status(third)["last_applied"]["index"]
    os.kill(third.pid, signal.SIGSTOP)
    try:
        compact_past(brief, at)
    finally:
        os.kill(third.pid, signal.SIGCONT)
    until(lambda: serves(third) and level(brief), 60)
    assert values(third, "") == values(brief.nodes[1], "")
    put(third, "again")


def test_a_node_whose_state_differs_says_so_and_serves_no_more(cluster: Cluster) -> None:
    third = cluster.nodes[3]
    put(cluster.nodes[1], "k", b"right")
    until(lambda: level(cluster))
    third.stop()
    with Store.open(third.directory / "raft" / "store") as store, store.write() as txn:
        found = txn.get("k")
        assert found is not None
        txn.put("k", Record(found.seq, b"wrong"))
    cluster.start(3)
    put(cluster.nodes[1], "other")
    assert get(cluster.nodes[1], "/v1/ctrl/trigger_snapshot").status_code == 200
    until(lambda: get(third, "/readyz").status_code == 503)
    assert "differs from that of the majority" in get(third, "/readyz").text
    assert status(third)["state"] == "Shutdown"
    with pytest.raises(grpc.aio.AioRpcError, match="differs from that of the majority"):
        values(third, "k")
    with pytest.raises(grpc.aio.AioRpcError, match="differs from that of the majority"):
        put(third, "k")
    for node_id in (1, 2):
        put(cluster.nodes[node_id], "good")
        assert values(cluster.nodes[node_id], "k") == {"k": b"right"}

    third.stop()
    for name in ("store", "snapshots"):
        shutil.move(third.directory / "raft" / name, third.directory / f"old-{name}")
    cluster.start(3)
    assert values(third, "k") == {"k": b"right"}


def test_a_node_that_was_frozen_catches_up(cluster: Cluster) -> None:
    third = cluster.nodes[3]
    os.kill(third.pid, signal.SIGSTOP)
    try:
        write_many(cluster.nodes[1], "meanwhile", 200)
    finally:
        os.kill(third.pid, signal.SIGCONT)
    assert values(third, "meanwhile/") == values(cluster.nodes[2], "meanwhile/")


def test_a_dead_etcd_is_started_again(cluster: Cluster) -> None:
    second = cluster.nodes[2]
    (etcd,) = [child.pid for child in children_of(second.pid) if "etcd" in child.command]
    os.kill(etcd, signal.SIGKILL)
    put(second, "k", b"1")
    assert values(second, "k") == {"k": b"1"}
    until(lambda: (status(second)["etcd"]["phase"], status(second)["etcd"]["restarts"]) == ("ready", 1))
    put(second, "k", b"2")
    assert values(cluster.nodes[3], "k") == {"k": b"2"}


def test_clients_of_a_dead_node_find_another(cluster: Cluster) -> None:
    async def work(client: MetaClient) -> None:
        await client.put("before", b"1")
        cluster.nodes[1].kill()
        await client.put("after", b"2")

    call(cluster.endpoints, work)
    with pytest.raises((grpc.aio.AioRpcError, Unavailable)):
        put(cluster.nodes[1], "k")
    assert set(values(cluster.nodes[2], "")) == {"before", "after"}
