import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from diag.errors import NoSpace
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_member import EtcdMember
from diag.replication.etcd_upkeep import EtcdUpkeep
from tests.replication.conftest import running, specs

pytestmark = pytest.mark.anyio

QUOTA = 16 * 1024 * 1024
VALUE = bytes(200_000)


async def fill(client: EtcdClient) -> int:
    """Write until etcd refuses; the last revision."""
    for _ in range(1000):
        try:
            last = await client.put(b"k", VALUE)
        except NoSpace:
            return last.revision
    raise AssertionError("the quota was never reached")


async def test_a_member_with_room_is_only_compacted(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1, quota=QUOTA)[0], etcd)]) as [client]:
        for _ in range(3):
            last = await client.put(b"k", b"v")
        upkeep = EtcdUpkeep(client, QUOTA)
        done = await upkeep.after_compaction(last.revision)
        assert (done.compacted, done.defragmented, done.disarmed) == (True, False, False)
        assert 0 < done.used < 1
        assert not (await upkeep.after_compaction(last.revision)).compacted


async def test_a_learner_does_nothing_that_its_etcd_refuses(etcd: EtcdBinary, short_path: Path) -> None:
    first, second = specs(short_path, 2, quota=QUOTA)
    alone = replace(first, initial_members={first.name: first.advertise})
    async with running([EtcdMember(alone, etcd)]) as [client]:
        last = await client.put(b"k", b"v")
        await client.add_member(second.peer_url(second.advertise), learner=True)
        async with running([EtcdMember(replace(second, existing=True), etcd)]) as [learner]:
            assert (await learner.status()).learner
            done = await EtcdUpkeep(learner, QUOTA).after_compaction(last.revision)
            assert (done.compacted, done.defragmented, done.disarmed) == (False, False, False)


async def test_a_full_member_takes_writes_again(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1, quota=QUOTA)[0], etcd)]) as [client]:
        revision = await fill(client)
        upkeep = EtcdUpkeep(client, QUOTA)
        # etcd refuses what would not fit any more: the file itself may still be a value short of the quota.
        assert await upkeep.used() > 1 - 2 * len(VALUE) / QUOTA
        done = await upkeep.after_compaction(revision)
        assert (done.compacted, done.defragmented, done.disarmed) == (True, True, True)
        assert done.used < 0.5
        await client.put(b"k", b"v")


async def test_three_full_members_take_writes_again(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3, quota=QUOTA)]
    async with running(members) as clients:
        revision = await fill(clients[0])
        rounds = [
            EtcdUpkeep(client, QUOTA, turn_seconds=0.5).after_compaction(revision) for client in clients
        ]
        done = await asyncio.gather(*rounds)
        assert [one.defragmented for one in done] == [True] * 3
        assert sum(one.compacted for one in done) == 1
        assert await clients[0].alarms() == ()
        for client in clients:
            await client.put(b"k", VALUE)


async def test_history_that_is_still_needed_keeps_the_alarm(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1, quota=QUOTA)[0], etcd)]) as [client]:
        await fill(client)
        done = await EtcdUpkeep(client, QUOTA).after_compaction(2)
        assert not done.disarmed
        with pytest.raises(NoSpace):
            await client.put(b"k", b"v")
