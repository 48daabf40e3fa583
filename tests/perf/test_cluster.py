"""The nodes of ``make cluster``: their files, their start, and that none is left."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from diag.config import load_config
from diag.errors import Unavailable
from diag.perf.cluster import USUAL_PORTS, Ports, running, write_configs
from diag.perf.node_process import ConfiguredNode, free_ports
from tests.polling import until


def test_no_nodes_have_no_files(tmp_path: Path) -> None:
    assert write_configs(tmp_path / "new", [], "etcd") == []


def test_the_files_are_those_of_a_cluster(tmp_path: Path) -> None:
    configs = [load_config(path, {}, {}) for path in write_configs(tmp_path, USUAL_PORTS, "etcd")]
    assert [config.admin_api_address for config in configs] == [
        *("127.0.0.1:28101", "127.0.0.1:28201", "127.0.0.1:28301")
    ]
    assert [config.grpc_api_address for config in configs] == [
        *("127.0.0.1:9191", "127.0.0.1:28202", "127.0.0.1:28302")
    ]
    rafts = [config.raft_config for config in configs]
    assert [raft.id for raft in rafts] == [1, 2, 3]
    assert [raft.raft_api_port for raft in rafts] == [28103, 28203, 28303]
    assert [raft.single for raft in rafts] == [True, False, False]
    assert rafts[2].join == ("127.0.0.1:28103", "127.0.0.1:28203")
    assert {raft.log_engine for raft in rafts} == {"etcd"}
    assert all(raft.raft_dir.is_relative_to(tmp_path.resolve()) for raft in rafts)


def ignored_interrupt() -> None:
    """As a shell starts what is in its background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start(directory: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "diag.perf.cluster", "--directory", str(directory), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ignored_interrupt,  # noqa: PLW1509
    )


def alive(pid: int) -> bool:
    """And no zombie that whoever adopted it has not looked at."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pid_of_node(process: subprocess.Popen[str]) -> int:
    """As it prints it, of the first."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"pid (\d+)", line):
            return int(found[1])
    raise AssertionError("it ended early")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_nodes(tmp_path: Path, ending: signal.Signals) -> None:
    process = start(tmp_path, "--nodes", "1", "--engine", "embedded", "--free-ports")
    assert process.stdout is not None
    printed = ""
    while "Stop all" not in printed:
        line = process.stdout.readline()
        assert line, "it ended early"
        printed += line
    assert re.search(r"^1\*  Leader", printed, re.MULTILINE)
    (pid,) = re.findall(r"pid (\d+)", printed)
    process.send_signal(ending)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "stopped\n")
    until(lambda: not alive(int(pid)))


def test_nodes_end_with_who_started_them_even_where_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "--nodes", "1", "--engine", "embedded", "--free-ports")
    pid = pid_of_node(process)
    process.kill()
    process.communicate(timeout=30)
    until(lambda: not alive(pid))


def test_a_node_that_ends_is_told(tmp_path: Path) -> None:
    process = start(tmp_path, "--nodes", "1", "--engine", "embedded", "--free-ports")
    os.kill(pid_of_node(process), signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "node-1.toml: The node ended with status -9." in out
    assert out.endswith("No node is left.\n")


def test_where_another_listens_nothing_is_started(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    taken = Ports(port, *free_ports(2))
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(Unavailable, match=f"127.0.0.1:{port} cannot be used"),
        running(tmp_path / "new", [taken], "embedded"),
    ):
        pass
    assert not (tmp_path / "new").exists()


def test_a_relative_directory_is_the_caller_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(Path("here"), [Ports(*free_ports(3))], "embedded") as (node,):
        assert node.config == tmp_path / "here" / "node-1.toml"
        node.check()


def test_a_node_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    blocked = tmp_path / "node-1" / "raft"
    blocked.parent.mkdir()
    blocked.write_text("a file where the data directory should be")
    process = start(tmp_path, "--nodes", "1", "--engine", "embedded", "--free-ports")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Its last words: " in errors


@pytest.mark.usefixtures("etcd")
def test_three_nodes_answer_for_each_other_and_outlive_their_leader(tmp_path: Path) -> None:
    ports = [Ports(*free_ports(3)) for _ in range(3)]
    with running(tmp_path, ports, "etcd") as nodes, httpx.Client(timeout=30, trust_env=False) as http:

        def status(of: int) -> list[dict[str, Any]]:
            told: list[dict[str, Any]] = http.get(
                f"http://{nodes[of].admin}/v1/cluster/status", params={"node": "all"}
            ).json()
            return told

        states = {told["id"]: told["state"] for told in status(1)}
        assert sorted(states.values()) == ["Follower", "Follower", "Leader"]
        profile = http.get(
            f"http://{nodes[2].admin}/debug/pprof/profile",
            params={"seconds": "0.5", "mode": "wall", "format": "folded", "node": "all"},
        )
        roots = {line.partition(";")[0] for line in profile.text.splitlines()}
        assert roots == {"node 1", "node 2", "node 3"}
        leader = next(node_id for node_id, state in states.items() if state == "Leader")
        nodes[leader - 1].kill()
        left = leader % 3

        def led_anew() -> bool:
            return any(told.get("is_leader") for told in status(left))

        until(led_anew)
        gone = {told["id"]: told.get("error") for told in status(left)}
        assert [node_id for node_id, error in gone.items() if error] == [leader]
        nodes[leader - 1].start()
        until(lambda: not any("error" in told for told in status(left)))


def diag(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "diag", *words], check=True, capture_output=True, text=True
    ).stdout


def members_of(node: ConfiguredNode) -> dict[int, str | None]:
    """States by id; None for a node that did not answer in time."""
    with httpx.Client(timeout=30, trust_env=False) as http:
        told = http.get(f"http://{node.admin}/v1/cluster/status", params={"node": "all"}).json()
    return {each["id"]: each.get("state") for each in told}


def until_led(nodes: Sequence[ConfiguredNode]) -> None:
    """All three answer, and one of them leads; a node that has just begun may be late with its answer."""
    until(lambda: Counter(members_of(nodes[0]).values()) == {"Follower": 2, "Leader": 1})


@pytest.mark.long
@pytest.mark.usefixtures("etcd")
def test_a_second_start_is_of_the_same_nodes_with_their_data(tmp_path: Path) -> None:
    ports = [Ports(*free_ports(3)) for _ in range(3)]
    with running(tmp_path, ports[:2], "etcd") as nodes:
        diag("kv", "put", "kept", "of old", "--endpoint", nodes[1].grpc)
    for _ in range(2):  # two that were members and one that joins; then three that were
        with running(tmp_path, ports, "etcd") as nodes:
            until_led(nodes)
            assert sorted(members_of(nodes[2])) == [1, 2, 3]
            for node in nodes:
                assert "of old" in diag("kv", "get", "kept", "--endpoint", node.grpc)
