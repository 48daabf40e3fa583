"""The etcd process of one data directory: started on a leash, or found alive and taken over.

Its directory carries a record of which member it is and of the process that runs it. The
record keeps a directory from being used for another member, and lets the next run of the
node find a process that was meant to outlive it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from diag.errors import DirectoryInUse, OtherNode, StoreError
from diag.processes.leash import leashed

_LONGEST_SOCKET = 100  # the kernel's limit is 107 bytes


@dataclass(frozen=True)
class Record:
    """``member.json``: the identity stays, process and node change. Starts are clock ticks since boot."""

    name: str
    cluster: str
    endpoint: str = ""
    pid: int = 0
    start: int = 0
    node: int = 0
    node_start: int = 0


class EtcdProcess:
    """A running etcd, child of this process or not. Use it on one event loop."""

    def __init__(self, pid: int, child: "subprocess.Popen[bytes] | None") -> None:
        self.pid = pid
        self._child = child
        self._handle = os.pidfd_open(pid)
        self._gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._handle, self._ended)

    @property
    def adopted(self) -> bool:
        return self._child is None

    @property
    def alive(self) -> bool:
        return not self._gone.is_set()

    async def exited(self) -> int | None:
        """Wait for its end; the exit code, or None where only its parent would be told."""
        await self._gone.wait()
        return self._child.wait() if self._child else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        if self._child:
            self._child.wait()  # it is a zombie by now, so this does not block
        self._gone.set()


def start(command: Sequence[str], log: Path, *, dies_with_node: bool) -> EtcdProcess:
    """Start etcd; its output is appended to ``log``. Call it from a thread that lives as long as the node."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            leashed(command) if dies_with_node else command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C at the terminal is for the node, which stops etcd in order
        )
    return EtcdProcess(child.pid, child)


def started_at(pid: int) -> int:
    """When the process began, in clock ticks since boot; 0 when there is none (zombies count as none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {b"Z", b"X"} else int(fields[19])


def command_of(pid: int) -> list[str]:
    """The command line of a process, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def read_record(directory: Path) -> Record | None:
    """The record of the directory, None when it is not yet a member's. StoreError when it is not ours."""
    path = directory / "member.json"
    try:
        return Record(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        if (directory / "member").exists():
            raise StoreError(
                f"{directory} holds an etcd member that no node of ours keeps; "
                f"move it away, or give this node another raft_dir"
            ) from None
        return None
    except (ValueError, TypeError):
        raise StoreError(f"{path} is not the record of a member; restore it or move it away") from None


def write_record(directory: Path, record: Record) -> None:
    """Replace the record in one step."""
    fresh = directory / "member.json.new"
    fresh.write_text(json.dumps(asdict(record)))
    fresh.replace(directory / "member.json")


def claim(directory: Path, name: str, cluster: str) -> Record:
    """The directory's record, made when it is new. OtherNode when it is another member's or cluster's."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = read_record(directory)
    if record is None:
        record = Record(name, cluster)
        write_record(directory, record)
    if (record.name, record.cluster) != (name, cluster):
        raise OtherNode(
            f"{directory} belongs to member {record.name} of cluster {record.cluster}, and this node is "
            f"{name} of {cluster}; set raft_config.id and cluster_name back, or use another raft_dir"
        )
    return record


def refuse_kept(directory: Path, record: Record) -> None:
    """DirectoryInUse when the node that started the recorded process is alive, and is not this one."""
    if record.node not in {0, os.getpid()} and started_at(record.node) == record.node_start:
        raise DirectoryInUse(f"the node with pid {record.node} keeps the etcd in {directory}; stop it first")


async def refuse_locked(directory: Path, patience: float = 3.0) -> None:
    """DirectoryInUse when some process keeps etcd's database open: a second etcd would wait in silence."""
    until = time.monotonic() + patience
    while _locked(directory / "member/snap/db"):
        if time.monotonic() > until:
            raise DirectoryInUse(f"an etcd that this node did not start has {directory} open; end it first")
        await asyncio.sleep(0.02)


def _locked(database: Path) -> bool:
    try:
        with database.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def endpoint_in(directory: Path) -> str:
    """Where etcd shall serve its node, as gRPC names it.

    A socket in the directory is reached only by who may enter that; a loopback port is for paths too long.
    """
    path = directory / "client.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return f"unix:{path}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"127.0.0.1:{port}"
