"""A supervised etcd: started with its node, restarted when it crashes, stopped in order.

The first start must succeed: what is wrong then (a port taken, a certificate, a directory of
another cluster) does not pass, and is told in a sentence. After that the supervisor never
gives up, and its ``state`` says what it is waiting for.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from dataclasses import dataclass, replace

from diag.errors import EtcdFailed, MetaError, NotInTime
from diag.replication import etcd_process as processes
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_flags import EtcdSpec, flags
from diag.replication.etcd_log import ETCD_LOG, REMOVED, EtcdLog, explained, removed
from diag.replication.etcd_process import EtcdProcess

_POLL = 0.05
_PUMP_EVERY = 0.2
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_GRACE = 5.0
_STEADY = 30.0  # a member that ran this long has earned a quick restart

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemberState:
    """What the supervisor knows.

    ``phase`` is stopped, starting, ready, waiting (to start again after a crash) or removed (by the cluster).
    """

    phase: str = "stopped"
    pid: int | None = None
    adopted: bool = False
    restarts: int = 0
    last_failure: str = ""


class EtcdMember:
    """Supervises the etcd of one node, on the node's main thread.

    ``dies_with_node``: killed with it even by kill -9; else it runs on, and the node's next run adopts it.
    """

    def __init__(self, spec: EtcdSpec, binary: EtcdBinary, *, dies_with_node: bool = True) -> None:
        self._spec = spec
        self._binary = binary
        self._dies_with_node = dies_with_node
        self._state = MemberState()
        self._endpoint = ""
        self._log = EtcdLog(spec.data_dir / ETCD_LOG)
        self._process: EtcdProcess | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._readiness: asyncio.Task[None] | None = None  # one for each process
        self._pause = _FIRST_PAUSE

    @property
    def endpoint(self) -> str:
        """Where ``EtcdClient`` reaches it; known from the start on, and stays the same until ``stop``."""
        return self._endpoint

    @property
    def state(self) -> MemberState:
        return self._state

    async def start(self, patience: float = 5.0) -> None:
        """Start or adopt the member, and return once it serves, or after ``patience`` seconds.

        A member without a quorum serves late, so that is no error here; ``wait_ready`` waits for it.
        Raises EtcdFailed when etcd ends, OtherNode, DirectoryInUse or StoreError when the directory is
        not this member's. Nothing of another's is overwritten.
        """
        record = processes.claim(self._spec.data_dir, self._spec.name, self._spec.cluster)
        processes.refuse_kept(self._spec.data_dir, record)
        self._endpoint = record.endpoint
        self._process = self._adopted(record) or await self._replaced(record)
        self._tasks = [asyncio.create_task(self._pump_log())]
        self._readiness = asyncio.create_task(self._watch_readiness())
        until = time.monotonic() + patience
        while time.monotonic() < until and self._state.phase != "ready":
            if not self._process.alive:
                await self._end_tasks()
                self._log.pump()
                self._note("stopped", explained(self._log.last))
                raise EtcdFailed(f"etcd ended at its start. {self._state.last_failure}")
            await asyncio.sleep(_POLL)
        self._tasks.append(asyncio.create_task(self._supervise()))

    async def wait_ready(self, timeout: float) -> None:  # noqa: ASYNC109 - part of the sentence it raises
        """Until etcd serves; NotInTime after ``timeout`` seconds, EtcdFailed once the cluster removed it."""
        until = time.monotonic() + timeout
        while self._state.phase != "ready":
            if self._state.phase == "removed":
                raise EtcdFailed(f"etcd does not serve: {self._state.last_failure}")
            if time.monotonic() > until:
                self._log.pump()
                raise NotInTime(
                    f"etcd does not serve after {timeout:g} s ({self._state.phase}); "
                    f"are enough other members up? {explained(self._log.last)}"
                )
            await asyncio.sleep(_POLL)

    async def stop(self, grace: float = _GRACE) -> None:
        """End etcd: asked first, so that it hands over its leadership, and killed after ``grace`` seconds.

        Close clients and watches before: etcd waits for open ones, and would take all of the grace.
        """
        await self._end_tasks()
        if self._process:
            await _end(self._process, grace)
            self._log.pump()
        self._process = None
        self._state = replace(self._state, phase="stopped", pid=None)

    def _adopted(self, record: processes.Record) -> EtcdProcess | None:
        """The process of an earlier run, when it runs as one would be started now and was let live."""
        if self._dies_with_node or not _runs(record):
            return None
        if processes.command_of(record.pid) != self._command(_url(record.endpoint)):
            return None
        _log.info("adopting etcd, pid %d, which an earlier run of this node left", record.pid)
        self._log.begin(anew=False)
        process = EtcdProcess(record.pid, None)
        self._record(process)
        self._state = MemberState("starting", process.pid, adopted=True)
        return process

    async def _replaced(self, record: processes.Record) -> EtcdProcess:
        """A new process, after the end of one that an earlier run left with other settings."""
        if _runs(record) and f"--data-dir={self._spec.data_dir}" in processes.command_of(record.pid):
            _log.info("ending etcd, pid %d, which an earlier run left", record.pid)
            await _end(EtcdProcess(record.pid, None), _GRACE)
        await processes.refuse_locked(self._spec.data_dir)
        return self._spawn()

    def _spawn(self) -> EtcdProcess:
        if self._process is None:
            self._endpoint = processes.endpoint_in(self._spec.data_dir)
        self._log.begin(anew=True)
        process = processes.start(
            self._command(_url(self._endpoint)), self._log.path, dies_with_node=self._dies_with_node
        )
        self._record(process)
        self._state = replace(self._state, phase="starting", pid=process.pid, adopted=False)
        return process

    def _record(self, process: EtcdProcess) -> None:
        node, etcd = os.getpid(), process.pid
        record = processes.Record(
            name=self._spec.name,
            cluster=self._spec.cluster,
            endpoint=self._endpoint,
            pid=etcd,
            start=processes.started_at(etcd),
            node=node,
            node_start=processes.started_at(node),
        )
        processes.write_record(self._spec.data_dir, record)

    def _command(self, client_url: str) -> list[str]:
        return [str(self._binary.path), *flags(self._spec, self._binary.version, client_url)]

    async def _pump_log(self) -> None:
        while True:
            self._log.pump()
            await asyncio.sleep(_PUMP_EVERY)

    async def _watch_readiness(self) -> None:
        client = EtcdClient([self._endpoint])
        try:
            while self._state.phase != "ready":
                with contextlib.suppress(MetaError):
                    await client.status()
                    self._note("ready")
                await asyncio.sleep(_POLL)
        finally:
            await client.close()

    async def _supervise(self) -> None:
        while self._process:
            began = time.monotonic()
            code = await self._process.exited()
            if self._readiness:
                self._readiness.cancel()
            self._log.pump()
            if removed(self._log.last):
                self._note("removed", REMOVED)
                _log.error("This node is no member any more: %s", REMOVED)
                return
            self._note("waiting", _why(code, explained(self._log.last)))
            steady = time.monotonic() - began > _STEADY
            self._pause = _FIRST_PAUSE if steady else min(self._pause * 2, _LONGEST_PAUSE)
            await self._restart()

    async def _restart(self) -> None:
        _log.warning("%s; next start in %.1f s", self._state.last_failure, self._pause)
        await asyncio.sleep(self._pause)
        self._state = replace(self._state, restarts=self._state.restarts + 1)
        try:
            self._process = self._spawn()
        except OSError as error:
            self._note("waiting", f"etcd cannot be started: {error}; put {self._binary.path} back")
            return
        self._readiness = asyncio.create_task(self._watch_readiness())

    def _note(self, phase: str, failure: str | None = None) -> None:
        pid = self._process.pid if self._process and self._process.alive else None
        last = self._state.last_failure if failure is None else failure
        self._state = replace(self._state, phase=phase, pid=pid, last_failure=last)

    async def _end_tasks(self) -> None:
        tasks = self._tasks + ([self._readiness] if self._readiness else [])
        self._tasks, self._readiness = [], None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _why(code: int | None, said: str) -> str:
    if code is None:
        return f"etcd ended. {said}"
    return f"etcd was ended by signal {-code}" if code < 0 else f"etcd ended with code {code}. {said}"


def _runs(record: processes.Record) -> bool:
    return record.pid != 0 and processes.started_at(record.pid) == record.start


def _url(endpoint: str) -> str:
    return endpoint.replace("unix:", "unix://", 1) if endpoint.startswith("unix:") else f"http://{endpoint}"


async def _end(process: EtcdProcess, grace: float) -> None:
    process.signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.exited(), grace)
    process.signal(signal.SIGKILL)
    await process.exited()
