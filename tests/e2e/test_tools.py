"""The tools that users have already: Go's pprof by nothing but the address, and speedscope."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess
from tests import speedscope


@pytest.fixture
def busy(node: NodeProcess, tmp_path: Path) -> Iterator[NodeProcess]:
    """A node that writes and reads meanwhile."""
    with KvLoad(tmp_path, node.grpc, in_flight=4):
        yield node


def pprof(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What ``go tool pprof`` says; skips the test without Go."""
    go = shutil.which("go")
    if not go:
        pytest.skip("go is not installed; its pprof cannot be asked")
    environment = os.environ | {"PPROF_TMPDIR": str(directory)}
    run = subprocess.run(
        [go, "tool", "pprof", *arguments], capture_output=True, text=True, timeout=100, env=environment
    )
    if "no such tool" in run.stderr:
        pytest.skip("this go has no pprof")
    return run


def test_pprof_takes_a_profile_by_the_address_alone(busy: NodeProcess, tmp_path: Path) -> None:
    run = pprof(tmp_path, "-top", f"http://{busy.admin}")
    assert run.returncode == 0, run.stderr
    assert "Type: cpu" in run.stdout
    assert "diag/" in run.stdout or "transaction" in run.stdout


def test_pprof_reads_kept_profiles_and_their_difference(busy: NodeProcess, tmp_path: Path) -> None:
    base = f"http://{busy.admin}"
    for name in ("before", "after"):
        taken = httpx.get(f"{base}/debug/pprof/profile?seconds=1&name={name}", timeout=30)
        assert taken.status_code == 200, taken.text
    before, after = (f"{base}/debug/profiles/{name}?format=pprof" for name in ("before", "after"))
    run = pprof(tmp_path, "-top", "-diff_base", before, after)
    assert run.returncode == 0, run.stderr
    assert "Type: cpu" in run.stdout
    own = pprof(tmp_path, "-top", "-diff_base", after, after)
    assert own.returncode == 0, own.stderr
    assert "Showing nodes accounting for 0" in own.stdout


def test_pprof_shows_why_there_is_no_profile(node: NodeProcess, tmp_path: Path) -> None:
    run = pprof(tmp_path, "-top", f"http://{node.admin}/debug/pprof/heap?mode=sideways")
    assert run.returncode != 0
    assert "mode is 'sideways'" in run.stderr


@pytest.mark.browser
def test_speedscope_opens_a_profile(busy: NodeProcess, tmp_path: Path) -> None:
    taken = httpx.get(f"http://{busy.admin}/debug/pprof/profile?seconds=1&format=speedscope", timeout=30)
    assert taken.status_code == 200, taken.text
    names = {frame["name"] for frame in taken.json()["shared"]["frames"]}
    page = speedscope.shown(taken.content, tmp_path)
    assert [name for name in names if f">{name}<" in page], page[-2000:]


@pytest.mark.parametrize("route", ["profile?seconds=2", "profile?seconds=2&mode=wall", "heap?seconds=2"])
def test_scrapes_go_on_while_a_profile_is_taken(busy: NodeProcess, route: str) -> None:
    base = f"http://{busy.admin}"
    names = metric_names(httpx.get(f"{base}/v1/metrics", timeout=10))
    with ThreadPoolExecutor(1) as pool:
        profile = pool.submit(httpx.get, f"{base}/debug/pprof/{route}", timeout=60)
        scrapes = []
        while not profile.done():
            scrapes.append(metric_names(httpx.get(f"{base}/v1/metrics", timeout=2)))
    assert profile.result().status_code == 200
    assert len(scrapes) > 2  # each as long as the machine takes, all of them beside the profile
    assert all(names <= scrape for scrape in scrapes)


def metric_names(scrape: httpx.Response) -> set[str]:
    assert scrape.status_code == 200, scrape.text
    return {re.split(r"[{ ]", line)[0] for line in scrape.text.splitlines() if not line.startswith("#")}
