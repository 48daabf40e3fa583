import asyncio
from pathlib import Path

import pytest

from diag.errors import EtcdFailed
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_facts import EtcdFacts, FactsReader, facts, raft_status
from diag.replication.etcd_member import EtcdMember
from tests.replication.conftest import free_port, running, specs

pytestmark = pytest.mark.anyio


def test_pages_that_tell_nothing_leave_the_defaults() -> None:
    assert facts("", raft_status("no json")) == EtcdFacts()
    assert facts("# HELP x\n", raft_status('{"raft.status": null}')) == EtcdFacts()


async def test_no_etcd_tells_no_facts() -> None:
    reader = FactsReader(f"127.0.0.1:{free_port()}")
    with pytest.raises(EtcdFailed, match="does not tell its metrics"):
        await reader.read()
    await reader.close()


async def test_a_leader_knows_its_peers(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        await clients[0].put(b"k", b"v")
        statuses = [await client.status() for client in clients]
        ids = {status.header.member_id for status in statuses}
        seen: list[str] = []
        for member, status in zip(members, statuses, strict=True):
            reader = FactsReader(member.endpoint)
            read = await reader.read()
            await reader.close()
            seen.append(read.raft_state)
            assert set(read.progress) == (ids if status.is_leader else set())
            assert read.leader_changes >= 1
            assert read.wal_fsync.count > 0
            assert read.wal_fsync.seconds > 0
            assert set(read.peers) == ids - {status.header.member_id}
            assert {peer.active for peer in read.peers.values()} == {1}
            if status.is_leader:
                assert all(peer.sent_bytes and peer.received_bytes for peer in read.peers.values())
            assert read.quota_bytes == 64 * 1024 * 1024
        assert sorted(seen) == ["Follower", "Follower", "Leader"]


async def test_counts_are_read_every_five_seconds(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 1)]
    now = 0.0
    async with running(members) as clients:
        reader = FactsReader(members[0].endpoint, clock=lambda: now)
        first = await reader.read()
        await clients[0].put(b"k", b"v")
        now = 4.9
        assert (await reader.read()).wal_fsync == first.wal_fsync
        now = 5.0
        assert (await reader.read()).wal_fsync.count > first.wal_fsync.count
        await reader.close()


async def candidacy(reader: FactsReader) -> None:
    while True:
        if (await reader.read()).raft_state in {"PreCandidate", "Candidate"}:
            return
        await asyncio.sleep(0.02)


async def test_a_survivor_without_a_quorum_is_a_candidate(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members):
        await members[1].stop(grace=0.0)
        await members[2].stop(grace=0.0)
        reader = FactsReader(members[0].endpoint)
        async with asyncio.timeout(30):
            await candidacy(reader)
        await reader.close()
