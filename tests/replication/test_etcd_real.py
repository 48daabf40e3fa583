"""The cluster's engine over three members of a real etcd."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from diag.kv.commands import Branch, FetchIncrease, Put, Transaction
from diag.kv.digest import hash_content
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.replication.etcd import ClusterLog, Ways
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_facts import FactsReader
from diag.replication.etcd_member import EtcdMember
from diag.replication.etcd_source import EtcdSource
from diag.replication.sources import Sources
from diag.replication.view import View
from tests.polling import until_async
from tests.replication.cluster import NEVER, NOW, address, put
from tests.replication.conftest import running, specs

pytestmark = pytest.mark.anyio


@dataclass
class Node:
    """A node over its member; the others' members are its other ways."""

    store: Store
    log: ClusterLog
    view: View


@contextlib.asynccontextmanager
async def _node(
    path: Path, node_id: int, clients: list[EtcdClient], member: EtcdMember
) -> AsyncIterator[Node]:
    own = clients[node_id - 1]
    facts = FactsReader(member.endpoint)
    view = View(own, lambda: own.members(linearizable=False), facts, lambda _: None)
    await view.look()
    looking = asyncio.create_task(view.run())
    store = Store.open(path / str(node_id) / "store", node_id=node_id, sync=False)
    ways = Sources([EtcdSource(client) for client in [own, *(c for c in clients if c is not own)]])
    log = ClusterLog(
        store,
        address(node_id),
        SnapshotStore(path / str(node_id) / "snapshots"),
        lambda: NOW,
        ways,
        view,
        Ways(own.compact, own.move_leader, dict, lambda node_id: clients[node_id - 1].members()),
        due=NEVER,
    )
    try:
        await log.start()
        yield Node(store, log, view)
    finally:
        await log.stop()
        looking.cancel()
        await asyncio.wait([looking])
        await facts.close()


@contextlib.asynccontextmanager
async def _cluster(
    root: Path, path: Path, etcd: EtcdBinary
) -> AsyncIterator[tuple[list[Node], list[EtcdMember]]]:
    members = [EtcdMember(spec, etcd) for spec in specs(root, 3)]
    async with running(members), contextlib.AsyncExitStack() as stack:
        # With the deadline of a real node: a frozen member is left after a second.
        clients = [EtcdClient([member.endpoint]) for member in members]
        for client in clients:
            stack.push_async_callback(client.close)
        made = [
            await stack.enter_async_context(_node(path, number, clients, member))
            for number, member in enumerate(members, 1)
        ]
        yield made, members


async def _write(node: Node, key: str) -> None:
    await node.log.propose(Transaction((Branch(None, (Put(key, b"v"), FetchIncrease("n", 1))),)))


def _content(node: Node) -> str:
    with node.store.read() as txn:
        return hash_content(txn)


async def test_three_nodes_over_a_real_etcd(short_path: Path, tmp_path: Path, etcd: EtcdBinary) -> None:
    async with _cluster(short_path, tmp_path, etcd) as (made, _):
        await asyncio.gather(*(_write(made[n % 3], f"k{n}") for n in range(300)))
        for node in made:
            await node.log.read_index()
            found = Reader(node.store).get("n", NOW)
            assert found is not None
            assert found.data == b"300"
        facts = await made[1].log.snapshot()
        await until_async(lambda: all(node.log.status().purged for node in made))
        snapshots = [node.log.status().snapshot for node in made]
        assert {one.content_hash for one in snapshots if one} == {facts.content_hash}
        leader = next(node for node in made if node.view.seen.state == "Leader")
        done = await leader.log.transfer_leader(None)
        await until_async(lambda: all(_leads(node) == done.to for node in made))
        await made[0].log.propose(put("after"))


def _leads(node: Node) -> int | None:
    return node.view.seen.leader.node_id if node.view.seen.leader else None


async def test_a_leader_that_freezes_loses_nothing(
    short_path: Path, tmp_path: Path, etcd: EtcdBinary
) -> None:
    async with _cluster(short_path, tmp_path, etcd) as (made, members):
        await asyncio.gather(*(_write(node, f"before{n}") for n, node in enumerate(made)))
        frozen = next(
            member for node, member in zip(made, members, strict=True) if node.view.seen.state == "Leader"
        )
        pid = frozen.state.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.gather(*(_write(node, f"amid{n}") for n, node in enumerate(made)))
            assert await made[0].log.read_index() > 0
        finally:
            os.kill(pid, signal.SIGCONT)
        for node in made:
            await node.log.read_index()
            found = Reader(node.store).get("n", NOW)
            assert found is not None
            assert found.data == b"6"
        await until_async(lambda: len(set(map(_content, made))) == 1)
