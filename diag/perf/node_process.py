"""A meta node as a child process, the way an operator runs it: ``diag serve`` in a directory of its own."""

import contextlib
import random
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from diag.errors import Unavailable
from diag.perf import children
from diag.perf.children import end, tail
from diag.processes.leash import leashed

#: More entries than any measurement writes.
NEVER: Final = 1 << 40
#: Flags of a node that writes no snapshot by itself: one that falls into some windows and not into others
#: is no part of what is compared.
NO_SNAPSHOTS: Final = ("--snapshot-logs-since-last", str(NEVER))

_POLL_SECONDS = 0.01
_FIRST_PORT = 10_000
_KILL_SECONDS = 10.0


class NodeProcess:
    """One node; as a context manager it is healthy on entry and gone on exit.

    The addresses stay the same over ``stop``/``kill`` and ``start``, so clients
    can find a restarted node. It listens at ``host``, and ``joins`` are raft addresses of a cluster's nodes;
    the attribute counts at each start. ``within`` stands before the command, to run it elsewhere (``ip netns
    exec``); ``program`` is what takes ``serve`` and its flags. ``raft_dir`` is in ``directory`` by default;
    what it says always is. ``scratch`` is where it puts temporary files, None for the system's place;
    ``environment`` is added to ours. ``start`` raises Unavailable with its last words when it ends early
    or is not healthy within ``timeout`` seconds. On a ``leash`` it is killed when the thread that started
    it ends.
    """

    def __init__(
        self,
        directory: Path,
        flags: Sequence[str] = (),
        *,
        scratch: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        joins: Sequence[str] = (),
        host: str = "127.0.0.1",
        within: Sequence[str] = (),
        program: Sequence[str] = (sys.executable, "-m", "diag"),
        raft_dir: Path | None = None,
        leash: bool = False,
    ) -> None:
        self.directory = directory
        self.joins = list(joins)
        self.grpc, self.admin, self.raft = (f"{host}:{port}" for port in free_ports(3))
        self._raft_dir = raft_dir or directory / "raft"
        self._command = [*within, *(leashed(program) if leash else program), "serve"]
        self._flags = list(flags)
        temporary = {} if scratch is None else {"TMPDIR": str(scratch)}
        self._environment = children.environment(temporary | dict(environment or {}))
        self._timeout = timeout
        self._errors = directory / "node.stderr"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()

    @property
    def runs(self) -> bool:
        """Whether it was started and neither stopped nor killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        return self._running().pid

    def start(self, more: Sequence[str] = ()) -> float:
        """Start and wait for ``/v1/health``; seconds from the start of the process to the first 200.

        ``more`` are flags of this run only.
        """
        started = time.perf_counter()
        self.launch(more)
        self.wait_until_healthy()
        return time.perf_counter() - started

    def launch(self, more: Sequence[str] = ()) -> None:
        """Start and wait for nothing: nodes that are healthy only together are launched together."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [*self._command, *self._arguments(), *more],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                text=True,
            )

    def wait_until_healthy(self) -> None:
        """Wait for ``/v1/health`` of a launched node; one that is not healthy in time is killed."""
        try:
            self._poll_health(time.perf_counter() + self._timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """SIGTERM, and SIGKILL when it does not go; the exit status."""
        process, self._process = self._running(), None
        return end(process, grace=15)

    def kill(self) -> None:
        """SIGKILL: what a power cut leaves, apart from the page cache.

        Unavailable when the system has not ended the process within 10 s: a tracer can hold it at its exit.
        """
        process, self._process = self._running(), None
        process.kill()
        try:
            process.wait(timeout=_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"The node (pid {process.pid}) was killed and has not ended within {_KILL_SECONDS:.0f} s; "
                "another process traces it."
            ) from None

    def check(self) -> None:
        """Raise Unavailable when the node is not running any more."""
        status = self._running().poll()
        if status is not None:
            raise Unavailable(f"The node ended with status {status}. Its last words: {tail(self._errors)}")

    def _arguments(self) -> list[str]:
        joins = [word for address in self.joins for word in ("--join", address)]
        return [
            *(joins or ["--single"]),
            *("--raft-dir", str(self._raft_dir)),
            *("--admin-api-address", self.admin),
            *("--grpc-api-address", self.grpc),
            *("--raft-api-port", self.raft.rpartition(":")[2]),
            *self._flags,
        ]

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the node was not started"
        return self._process

    def _poll_health(self, deadline: float) -> None:
        with httpx.Client(trust_env=False) as client:
            while time.perf_counter() < deadline:
                self.check()
                try:
                    if client.get(f"http://{self.admin}/v1/health", timeout=2).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(_POLL_SECONDS)
        raise Unavailable(
            f"The node was not healthy within {self._timeout:.0f} s. Its last words: {tail(self._errors)}"
        )


class ConfiguredNode(NodeProcess):
    """A node of a configuration file, which gives ``admin`` and ``grpc`` as its addresses; on a leash."""

    def __init__(self, directory: Path, config: Path, *, admin: str, grpc: str, timeout: float) -> None:
        super().__init__(directory, timeout=timeout, leash=True)
        self.admin, self.grpc = admin, grpc
        self.config = config

    def _arguments(self) -> list[str]:
        return ["-c", str(self.config)]


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago, below those that the system gives to connections.

    One of those could go to a connection while its server is down for a moment, to one that tries to reach
    that server even, and the server would not start again.
    """
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        with contextlib.suppress(OSError):
            sockets.append(socket.create_server(("127.0.0.1", random.randrange(_FIRST_PORT, _last_port()))))
    ports = [int(listener.getsockname()[1]) for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _last_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32768
