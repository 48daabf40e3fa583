"""A log that goes on from a state older than it: who may apply it, who needs a snapshot, who is refused."""

import asyncio
from pathlib import Path

import pytest

from diag.errors import Compacted, Damaged
from diag.kv.apply import apply
from diag.kv.commands import MatchSeq, Upsert
from diag.kv.digest import hash_content
from diag.kv.snapshot import SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication.beginning import check_founder, check_joiner, genesis_of, is_of
from diag.replication.ledger import Ledger
from diag.replication.machine import Machine
from diag.replication.record import BeginSnapshot, Genesis, decode
from diag.replication.state import State
from tests.polling import until_async
from tests.replication.cluster import NOW, content, make, nodes, put
from tests.replication.memory_log import Fate, MemoryLog, ended

pytestmark = pytest.mark.anyio

CLUSTER = (77).to_bytes(8, "big")


def fill(path: Path, node_id: int, count: int = 3, value: bytes = b"old") -> None:
    """A store as an import leaves it: records, a position, and no ledger."""
    with Store.open(path / str(node_id) / "store", node_id=node_id) as store, store.write() as txn:
        for number in range(count):
            apply(txn, Upsert(f"old{number}", MatchSeq(), value), NOW)
        txn.set_applied(Position(4, 9, 1000 + count))


def test_an_empty_store_has_nothing_to_say_and_is_welcome(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        assert genesis_of(store) is None
        check_founder(store)
        check_joiner(store, CLUSTER)


def test_a_store_of_a_log_joins_its_cluster_alone_and_founds_none(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        with store.write() as txn:
            txn.set_log_state(Ledger(CLUSTER, 5, 9).pack())
        assert genesis_of(store) is None
        check_joiner(store, CLUSTER)
        assert is_of(store, CLUSTER)
        assert not is_of(store, b"12345678")
        with pytest.raises(Damaged, match="of another cluster's log"):
            check_joiner(store, b"12345678")
        with pytest.raises(Damaged, match="whose log this node has no more"):
            check_founder(store)


def test_an_imported_state_founds_and_does_not_join(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    with Store.open(tmp_path / "1" / "store") as store:
        check_founder(store)
        with pytest.raises(Damaged, match="holds a state of its own"):
            check_joiner(store, CLUSTER)


async def test_the_log_of_an_imported_state_says_so_first(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory) as (node,):
        await node.log.propose(put("new"))
        assert node.log.status().last_applied.index in (1007, 1008)  # the snapshot may be reported by now
        assert (node.log.status().key_count, node.log.status().last_seq) == (4, 4)
        await until_async(lambda: node.log.status().snapshot)
    first = decode(memory.entries[0].record)
    assert [type(command) for command in first.commands[1:]] == [Genesis, BeginSnapshot]
    later = [command for entry in memory.entries[1:] for command in decode(entry.record).commands]
    assert Genesis not in map(type, later)


async def test_a_new_node_needs_a_snapshot_and_then_has_the_same_state(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory) as (node,):
        await node.log.propose(put("new"))
        await until_async(lambda: node.log.status().snapshot)
        second = make(tmp_path, memory, 2, 2)
        assert isinstance(await ended(second.log.start()), Compacted)
        await second.log.stop()

        snapshots = SnapshotStore(tmp_path / "1" / "snapshots")
        latest = snapshots.latest()
        assert latest is not None
        (tmp_path / "2" / "store").rename(tmp_path / "2" / "empty")
        snapshots.restore(latest, tmp_path / "2" / "store", 2)
        second = make(tmp_path, memory, 2, 2)
        await second.log.start()
        await node.log.propose(put("newer"))
        await second.log.read_index()
        assert content(second) == content(node)
        await second.log.stop()


@pytest.mark.parametrize("value", [b"old", b"other"])
async def test_a_state_is_taken_only_for_the_very_one(tmp_path: Path, value: bytes) -> None:
    fill(tmp_path, 1)
    fill(tmp_path, 2, value=value)
    memory = MemoryLog()
    async with nodes(tmp_path, 1, memory):
        second = make(tmp_path, memory, 2, 2)
        outcome = await ended(second.log.start())
        assert isinstance(outcome, Damaged) == (value == b"other")
        await second.log.stop()


async def test_a_state_of_its_own_is_not_mixed_with_a_log_that_began_empty(tmp_path: Path) -> None:
    memory = MemoryLog()
    fill(tmp_path, 2)
    async with nodes(tmp_path, 1, memory):
        second = make(tmp_path, memory, 2, 2)
        refused = await ended(second.log.start())
        assert isinstance(refused, Damaged)
        assert "empty raft_dir" in str(refused)
        with second.store.read() as txn:
            assert (txn.key_count(), txn.applied().index) == (3, 1003)
        await second.log.stop()


async def test_a_kill_after_the_first_words_goes_on_with_them(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    memory = MemoryLog()
    # The words are in the log, and the store does not hold them.
    node = make(tmp_path, memory)
    for source in (node.source, node.other):
        source.tell = lambda _: []
    starting = asyncio.ensure_future(node.log.start())
    await until_async(lambda: memory.entries)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await node.log.stop()
    with Store.open(tmp_path / "1" / "store") as store:
        assert Machine(store).figures().ledger.version == 0
    async with nodes(tmp_path, 1, memory) as (again,):
        assert again.log.status().key_count == 3


async def test_first_words_that_arrive_late_count_once(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    memory = MemoryLog(fates=[Fate.LATE])
    async with nodes(tmp_path, 1, memory) as (node,):
        memory.land_late()
        await node.log.propose(put("new"))
        assert node.log.status().last_applied.index in (1007, 1008)  # the snapshot may be reported by now


def test_a_state_that_is_in_no_log_outlives_the_machine(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    snapshots = SnapshotStore(tmp_path / "1" / "snapshots")
    state = State(tmp_path / "1" / "store", snapshots, 1)
    state.open().close()
    assert snapshots.latest() is None, "a look makes none"
    with state.open(NOW) as store, store.read() as txn:
        first = hash_content(txn)
    state.open(NOW).close()
    assert [info.content_hash for info in snapshots.all()] == [first], "one is enough"
    (tmp_path / "1" / "store" / "WRITTEN-IN-BOOT").write_text("another boot")
    with state.open(NOW) as store, store.read() as txn:
        assert hash_content(txn) == first
        assert txn.key_count() == 3
