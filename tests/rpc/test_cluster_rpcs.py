import json
from dataclasses import replace

import grpc
import pytest

from diag.errors import Unavailable
from diag.replication import ClusterStatus, LogId, NodeAddress
from diag.rpc.client import MetaClient
from diag.rpc.cluster_rpcs import client_info, cluster_status, member_list
from diag.rpc.shortcut import MOST_RECORDS
from diag.rpc.stubs import meta_pb2 as pb
from tests.rpc.harness import RawClient, RpcNode, put_op, refused

pytestmark = pytest.mark.anyio


def test_peers_of_every_form() -> None:
    assert client_info("ipv4:10.0.0.1:42", 7) == pb.ClientInfo(client_addr="10.0.0.1:42", server_time=7)
    assert client_info("ipv6:%5B::1%5D:42", 7).client_addr == "[::1]:42"
    for peer in ("", "unix:", "unix:/x"):
        with pytest.raises(Unavailable):
            client_info(peer, 7)


async def test_the_client_sees_its_own_address(node: RpcNode, raw: RawClient) -> None:
    info = await raw.stub.GetClientInfo(pb.Empty())
    host, port = info.client_addr.split(":")
    assert host == "127.0.0.1"
    assert int(port) not in (0, node.port)
    assert info.server_time == node.clock.now_ms


async def test_members(raw: RawClient) -> None:
    reply = await raw.stub.MemberList(pb.MemberListRequest(), metadata=raw.token)
    assert list(reply.data) == ["127.0.0.1:9191"]


async def test_status_is_live(node: RpcNode, raw: RawClient) -> None:
    before = await raw.stub.GetClusterStatus(pb.Empty())
    assert not before.HasField("snapshot_last_log_id")
    await raw.put("k")
    await node.log.snapshot()
    status = await raw.stub.GetClusterStatus(pb.Empty())
    assert (status.id, status.state, status.is_leader) == (0, "Leader", True)
    assert (status.data_version, status.endpoint) == ("V004", "127.0.0.1:28103")
    assert status.last_seq == status.snapshot_key_count == 1
    assert status.last_log_index == before.last_log_index + 1
    assert status.last_applied == status.snapshot_last_log_id
    assert status.last_applied == f"T{status.current_term}-N0.{status.last_log_index}"
    assert list(status.voters) == [status.leader] == ["id=0 raft=127.0.0.1:28103 grpc=127.0.0.1:9191"]


async def test_an_export_holds_every_write_before_it(raw: RawClient) -> None:
    for key in ("a", "b"):
        await raw.put(key)
    chunks = [list(chunk.data) async for chunk in raw.stub.Export(pb.Empty())]
    lines = [json.loads(line) for chunk in chunks for line in chunk]
    assert lines[0] == ["header", {"DataHeader": {"key": "header", "value": {"version": "V004"}}}]
    records = [entry["GenericKV"]["key"] for _, entry in lines if "GenericKV" in entry]
    assert records == ["a", "b"]


async def test_the_caller_chooses_the_lines_of_a_chunk(raw: RawClient) -> None:
    for n in range(10):
        await raw.put(f"k{n}")
    sizes = [len(c.data) async for c in raw.stub.ExportV1(pb.ExportRequest(chunk_size=3))]
    assert set(sizes[:-1]) == {3}
    for size in (0, 100_001):
        code, _ = await refused(raw.stub.ExportV1(pb.ExportRequest(chunk_size=size)))
        assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_chunk_of_large_lines_is_cut(raw: RawClient) -> None:
    for n in range(3):
        await raw.put(f"k{n}", b"\xff" * (1 << 20))
    sizes = [chunk.ByteSize() async for chunk in raw.stub.ExportV1(pb.ExportRequest(chunk_size=1000))]
    assert max(sizes) < 12 << 20


async def test_a_line_beyond_the_message_limit_is_exported_to_who_can_take_it(
    node: RpcNode, raw: RawClient
) -> None:
    await raw.put("k", b"\xff" * (9 << 20))
    async with MetaClient([node.endpoint]) as client:
        lines = [line async for line in client.export()]
    assert max(map(len, lines)) > 32 << 20


async def test_the_layout_of_keys(node: RpcNode, raw: RawClient) -> None:
    async def layout(**fields: int) -> list[tuple[str, int]]:
        replies = raw.stub.SnapshotKeysLayout(pb.KeysLayoutRequest(**fields))
        return [(item.prefix, item.count) async for item in replies]

    for key in ("a/b/c", "a/d", "e"):
        await raw.put(key)
    await node.log.snapshot()
    await raw.put("later/x")
    assert await layout() == [("a/b", 1), ("a", 2), ("", 3)]
    assert await layout(depth=1) == [("a", 2), ("", 3)]


async def test_an_export_the_client_leaves(node: RpcNode, raw: RawClient) -> None:
    for n in range(20):
        await raw.put(f"k{n}", b"v" * 200_000)
    call = raw.stub.ExportV1(pb.ExportRequest(chunk_size=1))
    await call.read()
    call.cancel()
    assert (await raw.put("k")).success
    assert (await raw.stub.GetClusterStatus(pb.Empty())).is_leader


def test_a_cluster_of_several_is_told_by_leader_and_follower() -> None:
    one = NodeAddress(1, "1", "localhost", 28103, "localhost:9191")
    two = NodeAddress(2, "2", "localhost", 28203, None)
    three = NodeAddress(3, "3", "localhost", 28303, "localhost:28302")
    at = LogId(4, 1, 90)
    leads = ClusterStatus(
        node=one,
        state="Leader",
        term=4,
        last_log_index=90,
        last_applied=at,
        purged=None,
        snapshot=None,
        leader=one,
        voters=(one, two),
        non_voters=(three,),
        last_seq=7,
        key_count=1,
        db_size=4096,
        log_size=10,
        replication={1: at, 2: LogId(4, 1, 80)},
    )
    assert list(member_list(leads).data) == ["localhost:9191", "", "localhost:28302"]
    told = cluster_status(leads, "0.1.0")
    assert dict(told.replication) == {1: "T4-N1.90", 2: "T4-N1.80"}
    assert list(told.voters) == [
        "id=1 raft=localhost:28103 grpc=localhost:9191",
        "id=2 raft=localhost:28203 grpc=",
    ]
    assert list(told.non_voters) == ["id=3 raft=localhost:28303 grpc=localhost:28302"]
    candidate = replace(leads, node=two, state="Candidate", leader=None, replication={})
    told = cluster_status(candidate, "0.1.0")
    assert (told.state, told.is_leader, told.HasField("leader")) == ("Candidate", False, False)
    assert not told.replication


@pytest.mark.parametrize("leader", [None, "127.0.0.1:9192"])
async def test_a_follower_answers_and_says_where_the_leader_is(
    node: RpcNode, raw: RawClient, monkeypatch: pytest.MonkeyPatch, leader: str | None
) -> None:
    monkeypatch.setattr(node.log, "leader_elsewhere", lambda: leader)
    said = () if leader is None else (("x-databend-meta-leader-grpc-endpoint", leader),)
    write = raw.stub.Transaction(pb.TxnRequest(if_then=[put_op("k")]), metadata=raw.token)
    assert tuple(await write.initial_metadata() or ())[:1] == said
    assert (await write).success
    many = json.dumps({"MGetKV": {"keys": ["k"] * (MOST_RECORDS + 1)}})  # no shortcut answers these
    read = raw.stub.KvReadV1(pb.RaftRequest(data=many), metadata=raw.token)
    assert len([item async for item in read]) == MOST_RECORDS + 1
    assert tuple(await read.initial_metadata() or ())[:1] == said
    code, _ = await refused(raw.stub.KvReadV1(pb.RaftRequest(data="junk"), metadata=raw.token))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
