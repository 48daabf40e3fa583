"""Findings over HTTP: of this node, of three, and of three of which some are gone, frozen or lying."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from diag.admin.doctor import HEARD_SECONDS
from diag.doctor.course import status_bytes
from diag.doctor.rules import RULES
from diag.faults.disk import Disk, refusal
from diag.replication import Answer, Question
from tests.admin.members import Cluster
from tests.admin.served import Served, serving
from tests.polling import until_answered

pytestmark = pytest.mark.anyio

DOCTOR = "/debug/doctor"
JSON = {"format": "json"}

# ptrace(2): PTRACE_SEIZE attaches without a stop.
_SEIZE = (
    "import ctypes, sys; print(ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), 0, 0), flush=True); input()"
)

#: What the machine that runs the tests may have, whatever is tested.
OF_THE_MACHINE = {"disk_low", "slow_fsync", "tracing_denied", "loop_late", "too_many_threads"}


async def findings(http: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """By name."""
    response = await http.get(DOCTOR, params=JSON)
    assert response.status_code == 200, response.text
    return {one["name"]: one for one in response.json()["findings"] if one["name"] not in OF_THE_MACHINE}


async def test_a_node_of_its_own_is_well(node: Served) -> None:
    answer = (await node.http.get(DOCTOR, params=JSON)).json()
    assert (answer["answered"], answer["silent"], answer["checks"]) == ([1], [], list(RULES))
    assert await findings(node.http) == {}


async def test_it_is_text_for_people_and_json_for_programs(node: Served) -> None:
    text = await node.http.get(DOCTOR)
    assert text.headers["content-type"].startswith("text/plain")
    assert f"({len(RULES)} checks of node 1).\n" in text.text
    accepted = await node.http.get(DOCTOR, headers={"Accept": "application/json"})
    assert accepted.json()["severity"] in {"fine", "warning", "critical"}
    assert (await node.http.get(DOCTOR, params={"format": "xml"})).status_code == 400
    assert (await node.http.get(DOCTOR, params={"formt": "json"})).status_code == 400
    assert (await node.http.head(DOCTOR)).status_code == 200


async def test_it_is_closed_to_other_machines(node: Served) -> None:
    async with node.from_elsewhere() as http:
        for path in (DOCTOR, f"{DOCTOR}/facts"):
            assert (await http.get(path)).status_code == 403


async def test_more_threads_than_a_profile_can_look_at(node: Served) -> None:
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(40)]
    try:
        for thread in threads:
            thread.start()
        answer = (await node.http.get(DOCTOR, params=JSON)).json()
        (found,) = [one for one in answer["findings"] if one["name"] == "too_many_threads"]
        assert "Hz at most, not at 99" in found["says"]
    finally:
        end.set()
        for thread in threads:
            thread.join()


async def named(node: Served, name: str) -> dict[str, Any] | None:
    """The finding of that name, if there is one."""
    answer = (await node.http.get(DOCTOR, params=JSON)).json()
    return next((one for one in answer["findings"] if one["name"] == name), None)


def hold_the_loop() -> None:
    time.sleep(0.9)  # no waiting for something: a loop that stands still is what is to be found


async def test_a_function_that_held_the_loop_is_named(node: Served) -> None:
    asyncio.get_running_loop().call_soon(hold_the_loop)
    found = await until_answered(lambda: named(node, "loop_blocked"), lambda found: found is not None)
    assert found is not None
    assert "held by hold_the_loop (tests/admin/test_doctor.py:" in found["says"]


async def test_memory_that_grows_is_told(node: Served) -> None:
    taken = []
    told = status_bytes("self", "RssAnon")
    assert told is not None
    # What tests before this one took is a part of the process that is to grow by a quarter.
    step = max(40 << 20, told[0] // 20)
    for _ in range(9):
        node.course.look()
        taken.append(b"\1" * step)
    found = await named(node, "memory_growing")
    assert found is not None
    assert "mostly outside small Python objects" in found["says"]
    assert len(taken) == 9


async def test_a_tracer_that_keeps_others_out_is_told(node: Served) -> None:
    assert "already traces" not in str(await named(node, "tracing_denied"))
    with subprocess.Popen(  # noqa: ASYNC220 - it is there at once
        [sys.executable, "-c", _SEIZE, str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as tracer:
        assert tracer.stdout is not None
        if tracer.stdout.readline() != b"0\n":
            pytest.skip("the system permits no tracing here")
        found = await named(node, "tracing_denied")
        tracer.communicate()
    assert found is not None
    assert found["evidence"] == [
        f"Process {tracer.pid} already traces this one; detach that debugger or tracer first."
    ]


async def test_a_disk_that_is_full_or_stuck_is_told_in_time(tmp_path: Path) -> None:
    if reason := refusal(tmp_path):
        pytest.skip(reason)
    with Disk(tmp_path, "a", megabytes=256) as disk:
        async with serving(disk.path) as node:
            disk.fill(leave=8 << 20)
            full = await named(node, "disk_low")
            assert full is not None
            assert (full["severity"], str(disk.path) in full["says"]) == ("critical", True)
            disk.heal()
            disk.stick()
            began = time.monotonic()
            stuck = await named(node, "slow_fsync")
            assert time.monotonic() - began < 2.0, "a stuck disk holds nobody"
            disk.heal()
            assert stuck is not None
            assert "is stuck" in stuck["says"]
            # A disk takes a moment to write what waited.
            await until_answered(lambda: named(node, "slow_fsync"), lambda found: found is None)


async def test_of_three_nodes_each_says_what_it_knows(cluster: Cluster) -> None:
    answer = (await cluster.nodes[2].http.get(DOCTOR, params=JSON)).json()
    assert answer["answered"] == [1, 2, 3]
    facts = (await cluster.first.http.get(f"{DOCTOR}/facts", params={"node": "3"})).json()
    assert (facts["node_id"], facts["state"]) == (3, "Learner")
    other = await cluster.first.http.get(DOCTOR, params={**JSON, "node": "2"})
    assert other.headers["x-meta-node"] == "2"


async def test_nodes_that_are_gone_or_frozen_are_findings_within_a_bound(cluster: Cluster) -> None:
    cluster.peers.down, cluster.peers.frozen = {2}, {3}
    began = time.monotonic()
    response = await cluster.first.http.get(DOCTOR, params=JSON)
    assert time.monotonic() - began < HEARD_SECONDS + 1.0, "a frozen node holds nobody beyond the bound"
    answer = response.json()
    assert (answer["severity"], answer["answered"], answer["silent"]) == ("critical", [1], [2, 3])
    silent = {one["node"]: one for one in answer["findings"] if one["name"] == "silent_node"}
    assert silent[2]["evidence"] == ["Node 2 is not reachable."]
    assert "has not answered within 1.8 s" in silent[3]["evidence"][0]


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"{}",
        b"[]",
        b'"\xff"',
        b'{"node_id": -1}',
        b"<html><script>alert(1)</script></html>",
        b"[" * 100_000,
    ],
)
async def test_a_node_that_says_nonsense_is_a_finding(cluster: Cluster, lie: bytes) -> None:
    async def lying(question: Question) -> Answer:
        async def body() -> Any:
            yield lie

        return Answer(200, {"content-type": "application/json"}, body())

    cluster.peers.tunnels[2] = lying  # type: ignore[assignment]
    found = await findings(cluster.first.http)
    assert found["silent_node"]["node"] == 2
    assert "does not say of itself" in found["silent_node"]["evidence"][0]


async def test_a_node_that_answers_for_another_is_a_finding(cluster: Cluster) -> None:
    cluster.peers.tunnels[2] = cluster.peers.tunnels[3]
    found = await findings(cluster.first.http)
    assert found["address_of_another"]["says"] == "At the address of node 2 node 3 answers."
