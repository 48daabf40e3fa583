"""A node with always-on profiling, as an operator runs it."""

import time
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest

from diag.cli import main
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess
from diag.profilers.coverage import covered
from diag.profilers.windows import Windows
from tests.polling import until

FLAGS = ("--profiling-continuous", "--profiling-continuous-window-seconds", "1")
CPU_TRIGGER = ("--profiling-triggers-cpu-percent", "1", "--profiling-triggers-seconds", "0.5")


def windows(node: NodeProcess) -> int:
    response = httpx.get(f"http://{node.admin}/debug/profiles/range?format=json", timeout=30)
    return len(response.json()["windows"]) if response.status_code == 200 else 0


def is_missed(directory: Path) -> bool:
    """Whether what is kept there tells of a stop by now: a node that is back at once leaves no gap."""
    kept, now = Windows(directory, hours=1, size=1 << 30), time.time()
    kept.load()
    return any(gap.why == "the node stopped" for gap in covered(kept.all(), now - 600, now, now).gaps)


def test_windows_become_a_picture_and_survive_a_restart(
    tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = NodeProcess(tmp_path / "node", FLAGS)
    with node, KvLoad(tmp_path, node.grpc):
        until(lambda: windows(node) >= 3)
        asked = httpx.get(f"http://{node.admin}/debug/pprof/profile?seconds=0.3&engine=inprocess", timeout=60)
        assert asked.status_code == 200, asked.text
        before = windows(node)
        until(lambda: windows(node) > before + 1)
        page = httpx.get(f"http://{node.admin}/v1/metrics").text
        assert "metasrv_profiling_windows_dropped 0" in page.splitlines()
    until(lambda: is_missed(tmp_path / "node" / "raft" / "profile-windows"))
    with node:
        assert windows(node) >= before, "the windows of the run before, the last one cut short"
        picture = tmp_path / "range.svg"
        command = ["profile", "range", "--endpoint", node.admin, "--from", "-10m", "-o", str(picture)]
        assert main(command) == 0
        assert "windows=" in capsys.readouterr().err
        ET.fromstring(picture.read_bytes())
        text = picture.read_text()
        assert "windows of always-on profiling" in text
        assert "the node stopped" in text
        assert "data_received" in text


def test_a_trigger_keeps_a_profile(tmp_path: Path, scratch: Path) -> None:
    with NodeProcess(tmp_path / "node", (*FLAGS, *CPU_TRIGGER)) as node, KvLoad(tmp_path, node.grpc):
        kept = f"http://{node.admin}/debug/profiles"
        until(lambda: httpx.get(kept, timeout=30).json(), seconds=60)
        [profile] = httpx.get(kept, timeout=30).json()
        assert profile["name"].startswith("trigger-cpu-")
        assert "of a processor" in profile["trigger"]
        assert httpx.get(f"{kept}/{profile['name']}", timeout=30).status_code == 200


def test_memory_is_told_since_the_start(tmp_path: Path, scratch: Path) -> None:
    with NodeProcess(tmp_path / "node", ("--profiling-memory-from-start",)) as node:
        url = f"http://{node.admin}/debug/pprof/memory"
        response = httpx.get(url, params={"format": "folded", "name": "early"}, timeout=60)
        assert response.status_code == 200, response.text
        assert "Since the start" in response.headers["x-profile-notes"]
        assert "diag/node.py" in response.text
        assert httpx.get(f"http://{node.admin}/debug/pprof/heap?seconds=1").status_code == 409
        named = httpx.get(f"http://{node.admin}/debug/profiles", timeout=30).json()
        assert [one["name"] for one in named] == ["early"]
        started = time.monotonic()
    assert time.monotonic() - started < 15
