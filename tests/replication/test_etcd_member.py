import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import trustme

from diag.errors import Conflict, DirectoryInUse, EtcdFailed, NotInTime, OtherNode, StoreError, Unavailable
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_flags import PeerTls
from diag.replication.etcd_member import EtcdMember
from diag.replication.etcd_process import started_at
from tests.polling import until, until_async
from tests.replication.conftest import free_port, running, specs

pytestmark = pytest.mark.anyio

Answer = TypeVar("Answer")

NODE = """
import asyncio, sys
from pathlib import Path
from diag.replication.etcd_binary import checked
from diag.replication.etcd_flags import EtcdSpec
from diag.replication.etcd_member import EtcdMember

async def main():
    directory, address, binary, leash = sys.argv[1:]
    quota = 64 * 1024 * 1024
    spec = EtcdSpec("1", Path(directory), address, address, "test", {"1": address}, quota_bytes=quota)
    member = EtcdMember(spec, checked(Path(binary)), dies_with_node=leash == "leash")
    await member.start(30)
    print(member.state.pid, flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


class Node:
    """A process of its own that supervises a member."""

    def __init__(self, directory: Path, address: str, etcd: EtcdBinary, leash: str) -> None:
        arguments = [sys.executable, "-c", NODE, str(directory), address, str(etcd.path), leash]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.etcd_pid = int(self.process.stdout.readline())
        self.etcd_start = started_at(self.etcd_pid)

    def etcd_runs(self) -> bool:
        return started_at(self.etcd_pid) == self.etcd_start

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    started: list[Node] = []
    yield started
    for node in started:
        if node.process.poll() is None:
            node.kill()
        if node.etcd_runs():
            os.kill(node.etcd_pid, signal.SIGKILL)


async def persistently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """etcd changes its members only when all have been connected for five seconds and caught up.

    And on a busy machine three that have just found each other may lose their leader once more.
    """
    until = time.monotonic() + 30
    while True:
        try:
            return await ask()
        except (Conflict, Unavailable):
            assert time.monotonic() < until, "etcd never agreed"
            await asyncio.sleep(0.2)


async def test_a_member_serves_and_stops(etcd: EtcdBinary, short_path: Path) -> None:
    member = EtcdMember(specs(short_path, 1)[0], etcd)
    assert member.state.phase == "stopped"
    async with running([member]) as [client]:
        assert member.endpoint == f"unix:{short_path}/1/client.sock"
        assert (await client.status()).is_leader
        pid = member.state.pid
        assert pid
        assert started_at(pid)
    assert (member.state.phase, member.state.pid, started_at(pid)) == ("stopped", None, 0)


async def test_a_long_directory_gets_a_loopback_port(etcd: EtcdBinary, short_path: Path) -> None:
    member = EtcdMember(specs(short_path / ("d" * 100), 1)[0], etcd)
    async with running([member]) as [client]:
        assert member.endpoint.startswith("127.0.0.1:")
        assert (await client.status()).is_leader


async def test_a_member_that_crashes_is_started_again_with_its_data(
    etcd: EtcdBinary, short_path: Path
) -> None:
    member = EtcdMember(specs(short_path, 1)[0], etcd)
    async with running([member]) as [client]:
        await client.put(b"k", b"v")
        first = member.state.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until_async(lambda: member.state.restarts == 1)
        await member.wait_ready(30)
        assert member.state.pid != first
        assert "by signal 9" in member.state.last_failure
        found = (await client.get(b"k")).first
        assert found
        assert found.value == b"v"


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_the_node_s_own_loop_supervises_as_well(
    etcd: EtcdBinary, short_path: Path, anyio_backend: object
) -> None:
    member = EtcdMember(specs(short_path, 1)[0], etcd)
    async with running([member]) as [client]:
        first = member.state.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until_async(lambda: member.state.restarts == 1)
        await member.wait_ready(30)
        await client.put(b"k", b"v")


async def test_all_members_killed_at_once_come_back(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        await clients[0].put(b"k", b"v")
        for pid in [member.state.pid for member in members]:
            assert pid
            os.kill(pid, signal.SIGKILL)
        for member in members:
            await until_async(lambda member=member: member.state.restarts == 1)  # type: ignore[misc]
            await member.wait_ready(30)
        found = (await clients[0].get(b"k", deadline=20)).first
        assert found
        assert found.value == b"v"


async def test_a_fourth_member_learns_and_then_votes(etcd: EtcdBinary, short_path: Path) -> None:
    listed = specs(short_path, 4)
    first = {spec.name: spec.advertise for spec in listed[:3]}
    members = [EtcdMember(replace(spec, initial_members=first), etcd) for spec in listed[:3]]
    learner = EtcdMember(replace(listed[3], existing=True), etcd)
    async with running(members) as clients:
        await clients[0].put(b"k", b"v")
        added = await persistently(
            lambda: clients[0].add_member(f"http://{listed[3].advertise}", learner=True)
        )
        assert added.learner
        async with running([learner]) as [client]:
            assert (await client.status()).learner
            with pytest.raises(Conflict, match="learner"):
                await client.get(b"k")
            await persistently(lambda: clients[0].promote_member(added.member_id))
            found = await persistently(lambda: client.get(b"k"))
            assert found.first
            assert found.first.value == b"v"


async def test_three_members_survive_the_death_of_their_leader(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        await clients[0].put(b"k", b"v")
        by_id = {(await client.status()).header.member_id: at for at, client in enumerate(clients)}
        leader = by_id[(await clients[0].status()).leader]
        pid = members[leader].state.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        other = clients[(leader + 1) % 3]
        await until_async(lambda: members[leader].state.restarts == 1)
        await members[leader].wait_ready(30)
        found = (await other.get(b"k", deadline=20)).first
        assert found
        assert found.value == b"v"


async def test_etcd_dies_with_a_node_that_is_killed(
    etcd: EtcdBinary, short_path: Path, nodes: list[Node]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    nodes.append(Node(short_path / "1", address, etcd, "leash"))
    assert nodes[0].etcd_runs()
    nodes[0].kill()
    until(lambda: not nodes[0].etcd_runs())
    nodes.append(Node(short_path / "1", address, etcd, "leash"))
    assert nodes[1].etcd_runs()


async def test_a_member_that_outlived_its_node_is_adopted(
    etcd: EtcdBinary, short_path: Path, nodes: list[Node]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    spec = replace(specs(short_path, 1)[0], listen=address, advertise=address, initial_members={"1": address})
    nodes.append(Node(spec.data_dir, address, etcd, "free"))
    nodes[0].kill()
    assert nodes[0].etcd_runs()
    member = EtcdMember(spec, etcd, dies_with_node=False)
    async with running([member]) as [client]:
        assert (member.state.pid, member.state.adopted) == (nodes[0].etcd_pid, True)
        await client.put(b"k", b"v")
        os.kill(nodes[0].etcd_pid, signal.SIGKILL)
        await until_async(lambda: member.state.restarts == 1)
        await member.wait_ready(30)
        assert not member.state.adopted
    assert not nodes[0].etcd_runs()


async def test_a_member_left_with_other_settings_is_replaced(
    etcd: EtcdBinary, short_path: Path, nodes: list[Node]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    spec = replace(specs(short_path, 1)[0], listen=address, advertise=address, initial_members={"1": address})
    nodes.append(Node(spec.data_dir, address, etcd, "free"))
    nodes[0].kill()
    member = EtcdMember(replace(spec, heartbeat_ms=150), etcd, dies_with_node=False)
    async with running([member]):
        assert not member.state.adopted
        assert not nodes[0].etcd_runs()


async def test_the_member_of_a_node_that_lives_is_left_alone(
    etcd: EtcdBinary, short_path: Path, nodes: list[Node]
) -> None:
    spec = specs(short_path, 1)[0]
    nodes.append(Node(spec.data_dir, spec.listen, etcd, "leash"))
    with pytest.raises(DirectoryInUse, match=f"pid {nodes[0].process.pid} keeps the etcd"):
        await EtcdMember(spec, etcd).start()
    assert nodes[0].etcd_runs()


async def test_a_directory_of_another_member_is_refused(etcd: EtcdBinary, short_path: Path) -> None:
    spec = specs(short_path, 1)[0]
    async with running([EtcdMember(spec, etcd)]):
        pass
    before = (spec.data_dir / "member.json").read_bytes()
    with pytest.raises(OtherNode, match="belongs to member 1 of cluster test, and this node is 1 of other"):
        await EtcdMember(replace(spec, cluster="other"), etcd).start()
    assert (spec.data_dir / "member.json").read_bytes() == before
    (spec.data_dir / "member.json").unlink()
    with pytest.raises(StoreError, match="holds an etcd member that no node of ours keeps"):
        await EtcdMember(spec, etcd).start()
    (spec.data_dir / "member.json").write_text("[]")
    with pytest.raises(StoreError, match="is not the record of a member"):
        await EtcdMember(spec, etcd).start()


async def test_a_port_that_is_taken_is_told(etcd: EtcdBinary, short_path: Path) -> None:
    first, second = specs(short_path, 1)[0], specs(short_path / "b", 1)[0]
    taken = replace(second, listen=first.listen, advertise=first.listen, initial_members={"1": first.listen})
    async with running([EtcdMember(first, etcd)]):
        with pytest.raises(EtcdFailed, match="already in use; another process listens there"):
            await EtcdMember(taken, etcd).start(20)


async def test_a_listening_host_that_is_a_name_is_told(etcd: EtcdBinary, short_path: Path) -> None:
    spec = replace(specs(short_path, 1)[0], listen=f"name.invalid:{free_port()}")
    with pytest.raises(EtcdFailed, match="raft_listen_host must be an IP address"):
        await EtcdMember(spec, etcd).start(20)


async def test_certificates_that_are_missing_are_told(etcd: EtcdBinary, short_path: Path) -> None:
    spec = replace(specs(short_path, 1)[0], tls=PeerTls("/absent/cert", "/absent/key", "/absent/ca"))
    with pytest.raises(EtcdFailed, match="/absent/"):
        await EtcdMember(spec, etcd).start(20)


def certificates(directory: Path, authority: trustme.CA) -> PeerTls:
    """The files of one member's certificate, which ``authority`` signed."""
    directory.mkdir(parents=True)
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(directory / "cert.pem")
    issued.private_key_pem.write_to_path(directory / "key.pem")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    return PeerTls(str(directory / "cert.pem"), str(directory / "key.pem"), str(directory / "ca.pem"))


async def test_members_trust_the_certificates_of_their_authority(etcd: EtcdBinary, short_path: Path) -> None:
    tls = certificates(short_path / "tls", trustme.CA())
    members = [EtcdMember(replace(spec, tls=tls), etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        await persistently(lambda: clients[0].put(b"k", b"v"))
        found = await persistently(clients[1].members)
        assert all(url.startswith("https:") for one in found for url in one.peer_urls)


async def test_a_member_with_a_strange_certificate_does_not_come_in(
    etcd: EtcdBinary, short_path: Path
) -> None:
    known, strange = (
        certificates(short_path / name, trustme.CA(organization_name=name)) for name in ("known", "strange")
    )
    listed = specs(short_path, 3)
    members = [EtcdMember(replace(spec, tls=known), etcd) for spec in listed[:2]]
    outsider = EtcdMember(replace(listed[2], tls=strange), etcd)
    async with running(members) as clients:
        try:
            await outsider.start(patience=0.0)
            with pytest.raises((NotInTime, EtcdFailed), match=r"check raft_config\.etcd_peer_cert"):
                await outsider.wait_ready(3)
        finally:
            await outsider.stop(grace=1.0)
        await persistently(lambda: clients[0].put(b"k", b"v"))


async def test_a_member_of_another_cluster_does_not_come_in(etcd: EtcdBinary, short_path: Path) -> None:
    listed = specs(short_path, 3)
    strange = EtcdMember(replace(listed[2], cluster="other"), etcd)
    async with running([EtcdMember(spec, etcd) for spec in listed[:2]]) as clients:
        try:
            await strange.start(patience=0.0)
            with pytest.raises((NotInTime, EtcdFailed), match="its directory is another cluster's"):
                await strange.wait_ready(3)
        finally:
            await strange.stop(grace=1.0)
        await persistently(lambda: clients[0].put(b"k", b"v"))


async def test_a_member_without_a_quorum_waits_and_says_so(etcd: EtcdBinary, short_path: Path) -> None:
    member = EtcdMember(specs(short_path, 3)[0], etcd)
    try:
        await member.start(patience=0.0)
        with pytest.raises(NotInTime, match="are enough other members up"):
            await member.wait_ready(1.0)
        assert member.state.phase == "starting"
    finally:
        await member.stop(grace=1.0)


async def test_a_removed_member_is_not_started_again(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        gone = (await clients[2].status()).header.member_id
        await persistently(lambda: clients[0].remove_member(gone))
        await until_async(lambda: members[2].state.phase == "removed")
        assert members[2].state.restarts == 0
        assert "join again" in members[2].state.last_failure


async def test_the_record_names_the_process(etcd: EtcdBinary, short_path: Path) -> None:
    member = EtcdMember(specs(short_path, 1)[0], etcd)
    async with running([member]):
        record = json.loads((short_path / "1/member.json").read_bytes())
        assert (record["pid"], record["node"]) == (member.state.pid, os.getpid())
