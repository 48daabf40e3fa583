"""The cluster's engine over a log in memory: order, replies, reads, leadership."""

import asyncio
import math
from pathlib import Path

import pytest

from diag.errors import (
    Conflict,
    InvalidRequest,
    MessageTooLarge,
    NotLeader,
    Unavailable,
)
from diag.kv.commands import Branch, MatchSeq, Put, Transacted, Transaction, Upsert, Upserted
from diag.kv.view import Reader
from diag.replication import Applied, LogId, OrderedLog, Transfer
from diag.replication.record import Author, Enter, encode, encode_command
from tests.polling import until_async
from tests.replication.cluster import NOW, address, content, level, make, nodes, put
from tests.replication.memory_log import MemoryLog, ended

pytestmark = pytest.mark.anyio


async def test_a_log_of_nothing(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        checked: OrderedLog = node.log
        status = checked.status()
        assert (status.state, status.term, status.last_applied) == ("Leader", 2, LogId(2, 1, 1))
        assert (status.leader, status.voters) == (address(1), (address(1),))
        assert (status.last_seq, status.key_count, status.snapshot, status.purged) == (0, 0, None, None)
        assert not checked.reads_are_local
        assert await checked.read_index() == 1
        assert checked.counters().proposals_pending == 0
    assert node.log.status().state == "Shutdown"
    await node.log.stop()


async def test_not_started_it_tells_of_itself_and_takes_nothing(tmp_path: Path) -> None:
    node = make(tmp_path, MemoryLog())
    assert node.log.status().last_applied == LogId(0, 0, 0)
    assert node.log.counters().acknowledged_at == -math.inf
    for refused in (node.log.propose(put("a")), node.log.read_index(), node.log.snapshot()):
        assert isinstance(await ended(refused), Unavailable)
    await node.log.stop()
    assert node.log.status().state == "Shutdown"


async def test_a_reply_means_it_can_be_read_everywhere(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as made:
        reply = await made[0].log.propose(Upsert("a", MatchSeq(exact=0), b"1"))
        assert isinstance(reply, Upserted)
        for node in made:
            assert await node.log.read_index() >= 4
            assert Reader(node.store).get("a", NOW) == reply.result
        assert len(set(map(content, made))) == 1


async def test_many_at_once_are_applied_once_each_in_one_order(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 3, memory) as made:
        for node in made:
            await node.log.read_index()
        heard: list[list[Applied]] = [[], [], []]
        for node, mine in zip(made, heard, strict=True):
            node.log.subscribe(mine.append)
        work = [node.log.propose(put(f"{n}")) for n in range(1000) for node in made]
        replies = await asyncio.gather(*work)
        await until_async(lambda: all(len(mine) == 3000 for mine in heard))
        assert len(replies) == 3000
        assert heard[0] == heard[1] == heard[2]
        assert [one.log_id.index for one in heard[0]] == list(range(4, 3004))
        assert memory.appends < 50, "what waits goes together"


async def test_what_is_refused_fails_alone(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        log = node.log
        work = [log.propose(put(key)) for key in ("a", "k" * 5000, "\ud800", "b")]
        large = log.propose(put("large", b"v" * (17 << 20)))
        results = await asyncio.gather(*work, large, return_exceptions=True)
        assert [type(result) for result in results] == [
            Transacted,
            MessageTooLarge,
            InvalidRequest,
            Transacted,
            MessageTooLarge,
        ]
        assert log.counters().proposals_pending == 0


async def test_a_command_that_breaks_fails_alone_and_alike(tmp_path: Path) -> None:
    memory = MemoryLog()
    async with nodes(tmp_path, 2, memory) as made:
        broken = Transaction((Branch(None, (Put("half", b"v"), Put("broken", 5))),))  # type: ignore[arg-type]
        log = made[0].log
        results = await asyncio.gather(
            log.propose(put("a")), log.propose(broken), log.propose(put("b")), return_exceptions=True
        )
        assert [type(result) for result in results] == [Transacted, Unavailable, Transacted]
        assert log.counters().proposals_failed == 1
        await until_async(lambda: level(made, memory))
        assert content(made[0]) == content(made[1])
        assert [key for key, _ in Reader(made[1].store).page("", None, 9, NOW).records] == ["a", "b"]


async def test_a_cancelled_proposer_leaves_its_command(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        task = asyncio.ensure_future(node.log.propose(put("a")))
        await asyncio.sleep(0)
        task.cancel()
        await node.log.propose(put("b"))
        assert Reader(node.store).get("a", NOW) is not None
        assert node.log.counters().proposals_pending == 0


async def test_a_listener_that_fails_stops_nobody(tmp_path: Path) -> None:
    async with nodes(tmp_path) as (node,):
        heard: list[Applied] = []

        def fails(_: Applied) -> None:
            raise RuntimeError("on purpose")

        node.log.subscribe(fails)
        unsubscribe = node.log.subscribe(heard.append)
        await node.log.propose(put("a"))
        unsubscribe()
        unsubscribe()
        await node.log.propose(put("b"))
        assert [one.changes[0].key for one in heard] == ["a"]


async def test_leadership_is_handed_over_by_the_leader_alone(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as made:
        with pytest.raises(NotLeader, match=r"current_leader=Some\(1\)"):
            await made[1].log.transfer_leader(None)
        with pytest.raises(InvalidRequest):
            await made[0].log.transfer_leader(9)
        with pytest.raises(Conflict):
            await made[0].log.transfer_leader(1)
        assert await made[0].log.transfer_leader(None) == Transfer(1, 2, (1, 2, 3))
        assert made[0].moves == [1002]
    async with nodes(tmp_path / "alone") as (node,):
        with pytest.raises(Conflict, match="only voter"):
            await node.log.transfer_leader(None)


async def test_leadership_is_not_handed_to_a_node_that_is_silent(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (leader, *_):
        leader.silent.add(2)
        with pytest.raises(Conflict, match=r"Node 2 does not answer.*choose another voter of \[1, 2, 3\]"):
            await leader.log.transfer_leader(2)
        assert leader.moves == []
        assert await leader.log.transfer_leader(None) == Transfer(1, 3, (1, 2, 3))
        leader.silent.add(3)
        with pytest.raises(Conflict, match=r"No other voter answers.*node 2, 3"):
            await leader.log.transfer_leader(None)
        assert leader.moves == [1003]


async def test_an_old_process_cannot_enter_again(tmp_path: Path) -> None:
    memory = MemoryLog()
    old = Author(1, b"old-one!", 1)
    memory.take(encode(old, NOW, 0, 0, [encode_command(Enter(b""))]))
    async with nodes(tmp_path, 1, memory) as (node,):
        memory.take(encode(old, NOW, 0, 0, [encode_command(Enter(b""))]))
        memory.take(encode(old._replace(number=2), NOW, 0, 0, [encode_command(put("stale"))]))
        await node.log.propose(put("a"))
        assert Reader(node.store).get("stale", NOW) is None
