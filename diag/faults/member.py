"""One node of a real cluster: its processes, its data, and what its admin API tells."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from diag.errors import Unavailable
from diag.faults import processes
from diag.faults.answers import KNOWN_SOCKET, SOCKET_BEHIND, LostAnswers, etcd_behind
from diag.faults.cluster import Digest, Pids
from diag.kv.directory import SNAPSHOT_DIR
from diag.kv.snapshot import SnapshotStore
from diag.perf.node_process import NodeProcess
from diag.replication.etcd_binary import find_etcd

#: The nodes' token and secret; it guards nothing but this run.
SECRET = "of-the-fault-harness"  # noqa: S105
_ASK_SECONDS = 4.0
_FLAGS = (
    *("--log-engine", "etcd"),
    *("--log-file-on", "false", "--log-stderr-on", "true", "--log-stderr-level", "INFO"),
    *("--admin-token", SECRET, "--raft-secret", SECRET),
)


class Member:
    """Node ``number``; its output goes to ``directory``, its data to ``raft_dir``, perhaps on its own disk.

    ``through`` puts a proxy for lost answers between the node and its etcd.
    """

    def __init__(
        self,
        number: int,
        directory: Path,
        raft_dir: Path,
        *,
        host: str = "127.0.0.1",
        within: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        through: bool = False,
    ) -> None:
        self.number = number
        self.raft_dir = raft_dir
        self.answers: LostAnswers | None = None
        directory.mkdir(parents=True, exist_ok=True)
        etcd = find_etcd().path
        sockets = raft_dir / "etcd"
        if through:
            etcd = etcd_behind(etcd, directory / "etcd-behind")
            self.answers = LostAnswers(sockets / SOCKET_BEHIND, seed=number, at=sockets / KNOWN_SOCKET)
        self._process = NodeProcess(
            directory,
            [
                *_FLAGS,
                *("--id", str(number), "--etcd-binary", str(etcd)),
                *(
                    "--raft-listen-host",
                    host,
                    "--raft-advertise-host",
                    host,
                    "--grpc-api-advertise-host",
                    host,
                ),
            ],
            host=host,
            within=within,
            raft_dir=raft_dir,
            environment=environment,
        )
        self._running = False

    @property
    def grpc(self) -> str:
        """Where clients reach it."""
        return self._process.grpc

    @property
    def admin(self) -> str:
        """Where its admin API is."""
        return self._process.admin

    @property
    def raft(self) -> str:
        """Where other members reach its etcd."""
        return self._process.raft

    def start(self, others: Sequence[str], *, learner: bool = False) -> None:
        """Start, and wait until it is healthy; without raft addresses of ``others`` it founds a cluster."""
        self._process.joins = list(others)
        self._process.start(["--learner"] if learner else [])
        self._running = True

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._running = False
        self._process.stop()

    def forget(self) -> None:
        """Its processes were killed; those that were not are now."""
        if self._running:
            self._running = False
            self._process.kill()

    def is_running(self) -> bool:
        """Whether the node's process exists."""
        return self._running and processes.is_running(self._process.pid)

    def pids(self) -> Pids:
        """The node's process, and its etcd's."""
        pid = self._process.pid
        return Pids(pid, next((each for each in processes.tree(pid) if _name(each) == "etcd"), None))

    def wipe(self) -> None:
        """Remove its data; the socket of a proxy stays."""
        kept = None if self.answers is None else self.raft_dir / "etcd" / KNOWN_SOCKET
        for path in [*(self.raft_dir / "etcd").glob("*"), *self.raft_dir.glob("*")]:
            if path.is_dir() and (kept is None or path not in kept.parents):
                shutil.rmtree(path)
            elif not path.is_dir() and path != kept:
                path.unlink(missing_ok=True)

    def is_healthy(self) -> bool:
        """Whether all its checks pass but the one that remembers how late its loop was."""
        try:
            return self._asked("GET", "/readyz?exclude=loop_lag", _ASK_SECONDS).is_success
        except Unavailable:
            return False

    def status(self, seconds: float = _ASK_SECONDS) -> dict[str, Any]:
        """Its view of the cluster."""
        return dict(self.ask("GET", "/v1/cluster/status", seconds))

    def ask(self, method: str, path: str, seconds: float = _ASK_SECONDS) -> Any:
        """What its admin API answers. Raises Unavailable, with its words, for anything but a success."""
        answer = self._asked(method, path, seconds)
        if not answer.is_success:
            raise Unavailable(
                f"n{self.number} answered {path} with {answer.status_code}: {answer.text[:300]}"
            )
        return answer.json()

    def digest(self) -> Digest:
        """Of its newest snapshot, whose hash the node made of its whole state."""
        info = SnapshotStore(self.raft_dir / SNAPSHOT_DIR).latest()
        return Digest(0, "") if info is None else Digest(info.index, info.content_hash)

    def _asked(self, method: str, path: str, seconds: float) -> httpx.Response:
        url = f"http://{self._process.admin}{path}"
        headers = {"authorization": f"Bearer {SECRET}"}
        try:
            with httpx.Client(trust_env=False, timeout=seconds) as client:
                return client.request(method, url, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable(f"n{self.number} does not answer {path}: {error!r}") from error


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
