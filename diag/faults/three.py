"""Three real nodes with their etcd members, on links that can be cut, disks that fill and clocks that jump.

What the machine does not permit is left out, and the faults that need it are skipped: without root there
are no networks and no disks, and all nodes share the loopback.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from diag.errors import MetaError, NotInTime, Unavailable
from diag.faults import clock as clocks
from diag.faults import disk as disks
from diag.faults import network as networks
from diag.faults import processes
from diag.faults.answers import KNOWN_SOCKET, LostAnswers
from diag.faults.clock import Clock
from diag.faults.cluster import Digest, Pids
from diag.faults.disk import Disk
from diag.faults.member import Member
from diag.faults.network import Network
from diag.replication.etcd_client import EtcdClient

VOTERS = ("n1", "n2", "n3")
#: A node for one scenario; it has a place in the network from the start.
GUEST = "n4"

_MEGABYTES = 512
_POLL_SECONDS = 0.1
_CHANGE_SECONDS = 30.0
_SNAPSHOT_SECONDS = 15.0
_EVEN_SECONDS = 5.0

Answer = TypeVar("Answer")


class ThreeNodes:
    """A ``Cluster`` with ``Membership``; it runs inside ``with``. What nodes say goes to ``directory``.

    ``apart`` gives every node a network and a disk of its own where that is permitted; ``moved`` a clock
    and a proxy before its etcd, which slow it down.
    """

    def __init__(self, directory: Path, *, apart: bool = False, moved: bool = False) -> None:
        self.names: Sequence[str] = VOTERS
        self.network: Network | None = None
        self._directory = directory
        self._apart = apart
        self._moved = moved
        self._members: dict[str, Member] = {}
        self._disks: dict[str, Disk] = {}
        self._clocks: dict[str, Clock] = {}
        self._held = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            # Short, because the path of a socket must be.
            data = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="mdf-")))
            if self._apart and not networks.refusal():
                self.network = self._held.enter_context(Network([*VOTERS, GUEST]))
            if self._apart and not disks.refusal(data):
                self._disks = {
                    name: self._held.enter_context(Disk(data, name, _MEGABYTES)) for name in VOTERS
                }
            if self._moved and not clocks.refusal():
                self._clocks = {name: Clock(data / f"{name}.clock") for name in VOTERS}
            self._members = {name: self._make(name, data) for name in (*VOTERS, GUEST)}
            self._held.callback(self._end)
            self._found()
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def disk(self, name: str) -> Disk | None:
        return self._disks.get(name)

    def clock(self, name: str) -> Clock | None:
        return self._clocks.get(name)

    def answers(self, name: str) -> LostAnswers | None:
        return self._members[name].answers

    def endpoint(self, name: str) -> str:
        return self._members[name].grpc

    def admin(self, name: str) -> str:
        """Where the node's admin API is, host:port; it wants the token ``diag.faults.member.SECRET``."""
        return self._members[name].admin

    def start(self, name: str) -> None:
        self._members[name].start(self._others(name))

    def stop(self, name: str) -> None:
        self._members[name].stop()

    def pids(self, name: str) -> Pids:
        return self._members[name].pids()

    def killed(self, name: str) -> None:
        self._members[name].forget()

    def is_running(self, name: str) -> bool:
        return self._members[name].is_running()

    def is_healthy(self, name: str) -> bool:
        return self._members[name].is_healthy()

    def leader(self) -> str | None:
        named = Counter(self._at_each(_leader_by))
        named.pop(None, None)
        name, votes = max(named.items(), key=lambda item: item[1], default=(None, 0))
        # For a second the others still name one that is dead.
        alive = name is not None and self.is_running(name)
        return name if alive and votes > len(self.names) // 2 else None

    def digests(self) -> Mapping[str, Digest]:
        """Of the snapshots that all nodes make at one entry of the log."""
        self._any().ask("GET", f"/v1/ctrl/trigger_snapshot?wait={_SNAPSHOT_SECONDS}", _SNAPSHOT_SECONDS + 1)

        def look() -> Mapping[str, Digest] | None:
            found = {name: self._members[name].digest() for name in self.names}
            return found if len({digest.applied for digest in found.values()}) == 1 else None

        try:
            return _until(look, _EVEN_SECONDS, "the nodes make no snapshot of one entry")
        except NotInTime:
            return {name: self._members[name].digest() for name in self.names}

    def wipe(self, name: str, *, leave: bool = True) -> None:
        if leave:
            self._ask_leader("POST", f"/v1/ctrl/leave?id={self._members[name].number}", but=name)
        self._members[name].wipe()

    def join(self, name: str, *, learner: bool = False) -> None:
        self._members[name].start(self._others(name), learner=learner)
        self.names = sorted({*self.names, name})

    def promote(self, name: str) -> None:
        """etcd refuses until the learner has caught up."""
        path = f"/v1/ctrl/promote?id={self._members[name].number}"

        def ask() -> bool:
            self._ask_leader("POST", path, but=name)
            return True

        _until(ask, _CHANGE_SECONDS, f"{name} is not promoted")

    def remove(self, name: str) -> None:
        self._ask_leader("POST", f"/v1/ctrl/leave?id={self._members[name].number}", but=name)
        self._members[name].stop()
        self._members[name].wipe()
        self.names = [each for each in self.names if each != name]

    def transfer(self, name: str) -> None:
        """Returns when a majority knows."""
        self._ask_leader("GET", f"/v1/ctrl/trigger_transfer_leader?to={self._members[name].number}")
        _until(lambda: self.leader() == name, _CHANGE_SECONDS, f"{name} does not become the leader")

    def snapshot_and_compact(self) -> None:
        """Returns when a node's etcd has forgotten what came before."""
        before = self._compacted(self._any())
        self._any().ask("GET", f"/v1/ctrl/trigger_snapshot?wait={_SNAPSHOT_SECONDS}", _SNAPSHOT_SECONDS + 1)
        _until(lambda: self._compacted(self._any()) > before, _CHANGE_SECONDS, "no etcd was compacted")

    def _make(self, name: str, data: Path) -> Member:
        number = int(name[1:])
        place = self._disks[name].path if name in self._disks else data / name
        return Member(
            number,
            self._directory / name,
            place / "raft",
            host=self.network.address(name) if self.network else "127.0.0.1",
            within=self.network.command(name) if self.network else (),
            environment=self._clocks[name].environment if name in self._clocks else None,
            through=self._moved and name in VOTERS,
        )

    def _found(self) -> None:
        for number, name in enumerate(VOTERS):
            member = self._members[name]
            if member.answers is not None:
                self._held.enter_context(member.answers)
            member.start([self._members[each].raft for each in VOTERS[:number]])

    def _end(self) -> None:
        for disk in self._disks.values():
            disk.heal()
        for member in self._members.values():
            if member.is_running():
                processes.kill_all(pid for pid in member.pids() if pid is not None)
            member.forget()

    def _others(self, name: str) -> list[str]:
        return [self._members[each].raft for each in VOTERS if each != name]

    def _any(self) -> Member:
        """One that runs; the leader where one is known."""
        name = self.leader() or next((each for each in self.names if self.is_running(each)), None)
        if name is None:
            raise Unavailable("No node of the cluster runs.")
        return self._members[name]

    def _ask_leader(self, method: str, path: str, but: str = "") -> Any:
        leader = self.leader()
        if leader is None or leader == but:
            leader = next(each for each in self.names if each != but and self.is_running(each))
        return self._members[leader].ask(method, path, _CHANGE_SECONDS)

    def _at_each(self, ask: Callable[[Member], str | None]) -> list[str | None]:
        members = [self._members[name] for name in self.names]
        with ThreadPoolExecutor(len(members)) as pool:
            return list(pool.map(ask, members))

    def _compacted(self, member: Member) -> int:
        return asyncio.run(_compact_revision(f"unix:{member.raft_dir / 'etcd' / KNOWN_SOCKET}"))


def _leader_by(member: Member) -> str | None:
    """By the view of one node, None where it knows of none or does not answer."""
    if not member.is_running():
        return None
    try:
        leader = member.status(seconds=1.0)["leader"]
    except MetaError:
        return None
    return f"n{leader['name']}" if leader else None


async def _compact_revision(endpoint: str) -> int:
    client = EtcdClient([endpoint], deadline=3.0)
    try:
        return (await client.hash_kv(0)).compact_revision
    finally:
        await client.close()


def _until(condition: Callable[[], Answer | None], seconds: float, what: str) -> Answer:
    """The first true answer; a refusal counts as none. NotInTime after ``seconds``."""
    deadline = time.monotonic() + seconds
    refusal = ""
    while time.monotonic() < deadline:
        try:
            if answer := condition():
                return answer
        except MetaError as error:
            refusal = f": {error}"
        time.sleep(_POLL_SECONDS)
    raise NotInTime(f"After {seconds:g} s {what}{refusal}")
