import asyncio
import os
import signal
from pathlib import Path

import pytest

from diag.errors import Compacted, LogWatchClosed, NotInTime, Unavailable
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_member import EtcdMember
from diag.replication.etcd_watch import Watch
from diag.replication.etcd_wire import Batch, Entry
from tests.replication.conftest import running, specs

pytestmark = pytest.mark.anyio


async def take(watch: Watch, count: int) -> list[Entry]:
    """The next ``count`` entries."""
    entries: list[Entry] = []
    async with asyncio.timeout(20):
        while len(entries) < count:
            batch = await anext(watch)
            assert [change.deleted for change in batch.changes] == [False] * len(batch.changes)
            entries += [change.entry for change in batch.changes]
    return entries


async def ask_again(watch: Watch) -> None:
    while True:
        await watch.progress()
        await asyncio.sleep(0.1)


async def test_a_quiet_key_answers_only_to_a_progress_request(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        await client.put(b"other", b"")
        async with await client.watch(b"k", 1) as watch:
            asking = asyncio.create_task(ask_again(watch))
            async with asyncio.timeout(20):
                batch = await anext(watch)
            asking.cancel()
            assert isinstance(batch, Batch)
            assert batch.changes == ()
            assert batch.header.revision == 2


async def test_history_comes_first_and_then_what_is_new(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        for number in range(10):
            await client.put(b"k", b"%d" % number)
        async with await client.watch(b"k", 2) as watch:
            entries = await take(watch, 10)
            await client.put(b"k", b"10")
            entries += await take(watch, 1)
        assert [int(entry.value) for entry in entries] == list(range(11))
        assert [entry.version for entry in entries] == list(range(1, 12))


async def test_large_entries_come_whole(etcd: EtcdBinary, short_path: Path) -> None:
    values = [bytes([number]) * (3 * 1024 * 1024) for number in range(6)]
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        for value in values:
            await client.put(b"k", value)
        async with await client.watch(b"k", 1) as watch:
            assert [entry.value for entry in await take(watch, 6)] == values


async def test_a_compacted_revision_is_told_with_where_history_begins(
    etcd: EtcdBinary, short_path: Path
) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        for _ in range(5):
            last = await client.put(b"k", b"v")
        await client.compact(last.revision)
        watch = await client.watch(b"k", 2)
        with pytest.raises(Compacted) as told:
            await take(watch, 1)
        assert told.value.revision == last.revision
        with pytest.raises(StopAsyncIteration):
            await anext(watch)


async def test_closing_ends_the_iteration(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        watch = await client.watch(b"k", 1)

        async def drain() -> int:
            return len([batch async for batch in watch])

        waiting = asyncio.create_task(drain())
        await asyncio.sleep(0)
        watch.close()
        assert await asyncio.wait_for(waiting, 20) == 0


async def test_a_cancelled_reader_is_cancelled(etcd: EtcdBinary, short_path: Path) -> None:
    async with running([EtcdMember(specs(short_path, 1)[0], etcd)]) as [client]:
        watch = await client.watch(b"k", 1)
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        watch.close()


async def test_the_end_of_the_member_is_told(etcd: EtcdBinary, short_path: Path) -> None:
    member = EtcdMember(specs(short_path, 1)[0], etcd)
    async with running([member]) as [client]:
        watch = await client.watch(b"k", 1)
        pid = member.state.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(LogWatchClosed, match=r"the watch at unix:.* ended"):
            await take(watch, 1)


async def test_the_loss_of_the_quorum_ends_the_watch(etcd: EtcdBinary, short_path: Path) -> None:
    members = [EtcdMember(spec, etcd) for spec in specs(short_path, 3)]
    async with running(members) as clients:
        watch = await clients[0].watch(b"k", 1)
        await members[1].stop(grace=0.0)
        await members[2].stop(grace=0.0)
        with pytest.raises(Unavailable, match="no leader"):
            await take(watch, 1)


async def test_a_frozen_member_opens_no_watch(etcd: EtcdBinary, short_path: Path) -> None:
    member = EtcdMember(specs(short_path, 1)[0], etcd)
    async with running([member]) as [client]:
        pid = member.state.pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(NotInTime, match="did not open a watch within"):
                await client.watch(b"k", 1, deadline=0.3)
        finally:
            os.kill(pid, signal.SIGCONT)
