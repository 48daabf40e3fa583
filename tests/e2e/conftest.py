"""Real nodes in directories of their own, and what the system still knows of the processes started."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from diag.perf.node_process import NodeProcess
from tests.e2e.cluster import Cluster, cluster_of


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """Every process that is not a zombie."""
    shown = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], check=True, capture_output=True, text=True
    )
    fields = (line.split(None, 3) for line in shown.stdout.splitlines())
    return [
        Process(int(row[0]), int(row[1]), row[3])
        for row in fields
        if len(row) == 4 and not row[2].startswith("Z")
    ]


def children_of(pid: int) -> list[Process]:
    """The living children of a process."""
    return [process for process in processes() if process.parent == pid]


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where all processes of the test put their temporary files; short, as sockets stand in it."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as directory:
        monkeypatch.setenv("TMPDIR", directory)
        yield Path(directory)


@pytest.fixture
def node(tmp_path: Path, scratch: Path) -> Iterator[NodeProcess]:
    """A healthy node."""
    with NodeProcess(tmp_path / "node") as running:
        yield running


@pytest.fixture
def cluster(tmp_path: Path, scratch: Path) -> Iterator[Cluster]:
    """Three nodes that are ready."""
    with cluster_of(tmp_path, scratch) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes for tests of a module that leave them as they were."""
    with (
        tempfile.TemporaryDirectory(prefix="e2e-") as scratch,
        cluster_of(tmp_path_factory.mktemp("shared"), Path(scratch)) as running,
    ):
        yield running


@pytest.fixture
def alone(tmp_path: Path, scratch: Path) -> Iterator[Cluster]:
    """The first node of a cluster, ready; others may be added."""
    with cluster_of(tmp_path, scratch, 1) as running:
        yield running
