"""One side's place to run: its build, its ports, and the data that each of its processes starts from.

A process is fresh and its data are a copy, so that samples have nothing in common but the code. The query
engine outlives the processes: it finds each one at the same address, with the roles it had made there.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from diag.errors import Unavailable
from diag.perf.engine import Engine
from diag.perf.gate.build import Build
from diag.perf.gate.suite import Crashed
from diag.perf.node_process import NodeProcess

_CHILD = Path(__file__).with_name("child.py")
_SEED = "seed"
#: Where the system has it, disks are out of the measurement.
_MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a directory of our own is made there


class Station:
    """``label`` names the side in reports; ``core`` is where its processes run, None for anywhere.

    ``environment`` is added to that of its processes.
    """

    def __init__(
        self, label: str, build: Build, directory: Path, core: int | None, environment: Mapping[str, str]
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.label = label
        self.build = build
        self.directory = directory
        self.engine: Engine | None = None
        self._fixed = {
            "PYTHONPATH": str(build.site),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DIAG_PERF_PARENT": str(os.getpid()),
            "DIAG_PERF_CORES": "" if core is None else str(core),
            "DIAG_PERF_INJECT": "",
            **environment,
        }
        self.node = self._node(directory, {})
        # Where this process is, which waits meanwhile.
        elsewhere = "" if core is None else str(min(os.sched_getaffinity(0)))
        self._core = core
        self._anywhere = {} if core is None else {"DIAG_PERF_CORES": f"{core},{elsewhere}"}
        self._spare = self._node(directory / "spare", {"DIAG_PERF_CORES": elsewhere})

    def connect(self, engine: Engine) -> None:
        """Start a query engine on the process that runs; it stays until ``close``."""
        self.engine = engine.__enter__()

    def close(self) -> None:
        """End the engine, if there is one."""
        if self.engine is not None:
            self.engine.__exit__(None, None, None)
            self.engine = None

    @contextmanager
    def first(self) -> Iterator[NodeProcess]:
        """A process whose data, when it is left, become those that all later ones start from."""
        with self.node as node:
            yield node
        shutil.copytree(self.directory / "raft", self.directory / _SEED)

    @contextmanager
    def fresh(self, extra: Mapping[str, str] | None = None) -> Iterator[NodeProcess]:
        """A new healthy process; killed on exit. Raises Crashed when it does not start."""
        with self._running(self._at_home(extra)) as node:
            self.wait_for(node)
            yield node

    def boot(self) -> float:
        """CPU seconds of a process until it is healthy, on the other core, beside one that may run.

        Raises Crashed when it does not start.
        """
        with self._running(self._spare) as node:
            self.wait_for(node)
            return cpu_seconds(node.pid)

    @contextmanager
    def booting(self) -> Iterator[NodeProcess]:
        """A new process that boots on any core, beside others; ``settle`` it before it is measured."""
        with self._running(self._at_home(self._anywhere)) as node:
            yield node

    def settle(self, node: NodeProcess) -> None:
        """Wait until it is healthy, and keep it on the station's core from then on. Raises Crashed."""
        self.wait_for(node)
        if self._core is not None:
            for thread in Path(f"/proc/{node.pid}/task").iterdir():
                with suppress(ProcessLookupError):  # it ended meanwhile
                    os.sched_setaffinity(int(thread.name), {self._core})

    def wait_for(self, node: NodeProcess) -> None:
        """Until it is healthy. Raises Crashed when it does not start."""
        try:
            node.wait_until_healthy()
        except Unavailable as error:
            raise Crashed(self.label, "boot", str(error)) from error

    def _at_home(self, extra: Mapping[str, str] | None) -> NodeProcess:
        """A node at the station's addresses."""
        if not extra:
            return self.node
        node = self._node(self.directory, extra)
        node.admin, node.grpc, node.raft = self.node.admin, self.node.grpc, self.node.raft
        return node

    @contextmanager
    def _running(self, node: NodeProcess) -> Iterator[NodeProcess]:
        raft_dir = node.directory / "raft"
        shutil.rmtree(raft_dir, ignore_errors=True)
        shutil.copytree(self.directory / _SEED, raft_dir)
        node.launch()
        try:
            yield node
        finally:
            if node.runs:
                node.kill()

    def _node(self, directory: Path, extra: Mapping[str, str] | None) -> NodeProcess:
        return NodeProcess(
            directory,
            program=(str(self.build.python), "-P", str(_CHILD)),
            environment=self._fixed | dict(extra or {}),
            scratch=self.directory,
        )


@contextmanager
def together(stations: Sequence[Station]) -> Iterator[dict[str, NodeProcess]]:
    """A fresh process of each by label, booted all at once on all cores; killed on exit. Raises Crashed."""
    with ExitStack() as stack:
        nodes = {station.label: stack.enter_context(station.booting()) for station in stations}
        for station in stations:
            station.settle(nodes[station.label])
        yield nodes


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads and those that ended included, to the nanosecond.

    Raises Unavailable when it is gone.
    """
    try:
        return time.clock_gettime_ns(_cpu_clock(pid)) / 1e9
    except OSError:
        raise Unavailable(f"The process {pid} is gone.") from None


def _cpu_clock(pid: int) -> int:
    """The clock that clock_getcpuclockid(3) makes of a process id."""
    return (~pid << 3) | 2


def peak_bytes(pid: int) -> int:
    """The most resident memory that a process has had (VmHWM)."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    raise Unavailable(f"The process {pid} is gone.")


def fastest_disk() -> Path | None:
    """Where stations have their directories; None for the system's place of temporary files."""
    return _MEMORY_DISK if os.access(_MEMORY_DISK, os.W_OK) else None
