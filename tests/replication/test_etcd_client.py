import os
import signal
from pathlib import Path

import pytest

from diag.errors import Compacted, Conflict, InvalidRequest, MessageTooLarge, NotFound, NotInTime, Unavailable
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_flags import MAX_REQUEST_BYTES
from diag.replication.etcd_member import EtcdMember
from tests.replication.conftest import free_port, running, specs

pytestmark = pytest.mark.anyio


async def test_no_etcd_is_unavailable() -> None:
    client = EtcdClient([f"127.0.0.1:{free_port()}"])
    with pytest.raises(Unavailable, match="etcd Range at"):
        await client.get(b"k")
    await client.close()


async def test_an_absent_key_has_no_entry(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        assert (await client.get(b"k")).first is None


async def test_versions_of_a_key_count_without_a_gap(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        first = await client.put(b"k", b"1")
        second = await client.put(b"k", b"2")
        assert second.revision == first.revision + 1
        entry = (await client.get(b"k")).first
        assert entry
        assert entry == (b"k", b"2", second.revision, 2)
        bare = (await client.get(b"k", keys_only=True, serializable=True)).first
        assert bare
        assert (bare.value, bare.version) == (b"", 2)


async def test_limits_and_mistakes_are_told_apart(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        with pytest.raises(MessageTooLarge):
            await client.put(b"k", bytes(MAX_REQUEST_BYTES + 1024 * 1024))
        with pytest.raises(InvalidRequest):
            await client.put(b"", b"v")
        with pytest.raises(NotFound):
            await client.remove_member(1)
        last = await client.put(b"k", b"v")
        await client.put(b"k", b"v")
        await client.compact(last.revision)
        with pytest.raises(Compacted):
            await client.compact(last.revision)


async def test_a_frozen_member_is_left_for_the_next(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        leader = (await clients[0].status()).leader
        ids = [(await client.status()).header.member_id for client in clients]
        at = next(place for place, one in enumerate(ids) if one != leader)
        others = [member.endpoint for place, member in enumerate(members) if place != at]
        client = EtcdClient([members[at].endpoint, *others], deadline=0.5)
        frozen = members[at].state.pid
        assert frozen
        await client.put(b"k", b"v")
        os.kill(frozen, signal.SIGSTOP)
        try:
            found = (await client.get(b"k")).first
            assert found
            assert found.value == b"v"
            await client.put(b"k", b"w")
            alone = EtcdClient([members[at].endpoint], deadline=0.3)
            with pytest.raises(NotInTime):
                await alone.put(b"k", b"x")
            await alone.close()
        finally:
            os.kill(frozen, signal.SIGCONT)
            await client.close()


async def test_members_join_as_learners_and_leadership_moves(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        statuses = [await client.status() for client in clients]
        at = next(place for place, status in enumerate(statuses) if status.is_leader)
        target = statuses[(at + 1) % 3].header.member_id
        await clients[at].move_leader(target)
        assert (await clients[at].status()).leader == target
        assert {member.name for member in await clients[at].members()} == {"1", "2", "3"}
        revision = statuses[0].header.revision
        hashes = {(await client.hash_kv(revision)).value for client in clients}
        assert len(hashes) == 1
        with pytest.raises((Conflict, NotFound)):
            await clients[at].promote_member(target)
        assert await clients[at].alarms() == ()
