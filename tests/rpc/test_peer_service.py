"""The service between nodes, over both transports."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from diag.errors import (
    Conflict,
    InvalidRequest,
    MessageTooLarge,
    MetaError,
    NoSpace,
    NotFound,
    NotImplementedHere,
    NotInTime,
    NotLeader,
    Unauthenticated,
    Unavailable,
)
from diag.kv.arrival import SnapshotOffer
from diag.kv.commands import Branch, Put, Transaction
from diag.kv.state import Position
from diag.replication import Joining, LogId, Question, SnapshotFacts
from diag.replication.peer_client import Access, Body, PeerClient, PeerTls
from diag.replication.peer_source import PeerSource
from diag.replication.source import Head
from diag.replication.stubs import peer_pb2 as pb
from diag.rpc.peer_auth import PeerAuth
from diag.rpc.server import Tls
from tests.polling import until_async
from tests.rpc.harness import RpcNode, Transport, refused
from tests.rpc.peer_harness import PeerNode

pytestmark = pytest.mark.anyio

ADDRESS = Joining(4, "four", "10.0.0.4:28103", "10.0.0.4:9191", learner=True)


@pytest.fixture
async def peer_node(tmp_path: Path, transport: Transport) -> AsyncIterator[PeerNode]:
    async with PeerNode(tmp_path, transport) as node:
        yield node


async def test_an_empty_node(peer_node: PeerNode) -> None:
    assert await peer_node.peer_source().head() == Head(0, 0, 3, None)
    assert await peer_node.peer().snapshots() == []
    view = await peer_node.peer().status()
    assert (view.node_id, view.state, view.leader, view.voters, view.snapshot) == (0, "Leader", 0, (0,), None)
    assert view.last_applied == LogId(1, 0, 1)


async def test_append_and_head(peer_node: PeerNode) -> None:
    source = peer_node.peer_source()
    assert [await source.append(record) for record in (b"", b"\0" * 100)] == [11, 12]
    assert await source.head() == Head(2, 12, 3, 2)
    assert [entry.record for entry in peer_node.source.entries] == [b"", b"\0" * 100]


@pytest.mark.parametrize(
    "failure",
    [
        NoSpace("the log's quota is used up"),
        Unavailable("no leader"),
        NotInTime("etcd did not answer within 1 s"),
        NotLeader("node 2 leads", leader="10.0.0.2:9191"),
        Conflict("wait"),
        MetaError("what: \N{SNOWMAN}"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_an_error_arrives_as_it_was_raised(peer_node: PeerNode, failure: MetaError) -> None:
    peer_node.source.failure = failure
    for call in (peer_node.peer_source().append(b"r"), peer_node.peer_source().head()):
        with pytest.raises(type(failure)) as caught:
            await call
        assert type(caught.value) is type(failure)
        assert (str(caught.value), vars(caught.value)) == (str(failure), vars(failure))


async def test_a_record_of_16_mib_passes_and_a_larger_one_is_refused_by_both_ends(
    peer_node: PeerNode,
) -> None:
    source = peer_node.peer_source()
    assert await source.append(b"r" * (16 << 20)) == 11
    with pytest.raises(MessageTooLarge, match="limit of 16777216"):
        await source.append(b"r" * (20 << 20))
    async with grpc.aio.insecure_channel(
        peer_node.endpoint, options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        # As the stub would write it: field 1, and the length in 7 bits a byte.
        header = b"\x0a\x80\x80\x80\x0a"
        call: Any = channel.unary_unary("/metadiag.Peer/Append")
        status, text = await refused(call(header + b"r" * (20 << 20)))
    assert (status, "limit of 16777216" in text) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
    assert len(peer_node.source.entries) == 1


async def test_a_node_that_is_not_there_is_unavailable(peer_node: PeerNode) -> None:
    peer = peer_node.peer()
    await peer_node.server.stop(0)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await peer.status()


async def test_a_node_that_does_not_answer_in_time_is_unavailable(peer_node: PeerNode) -> None:
    peer_node.source.stuck = True
    with pytest.raises(NotInTime, match=r"did not answer Head within 0\.2 s"):
        await PeerSource(peer_node.peer(), seconds=0.2).head()


async def test_a_connection_closed_on_this_side_fails_its_calls_and_cancels_nobody(
    peer_node: PeerNode,
) -> None:
    peer_node.source.stuck = peer_node.admin.stuck = True
    peer = peer_node.peer()
    source = PeerSource(peer)
    calls = [
        asyncio.ensure_future(call)
        for call in (source.head(), anext(source.tail(1)), peer.ask(Question("GET", "/", {})))
    ]
    await until_async(lambda: peer_node.source.tails == peer_node.admin.working == 1)
    await peer.close()
    for call in calls:
        with pytest.raises(Unavailable, match="closed on this side"):
            await call
    assert (await peer.status()).node_id == 0


async def test_members_join_are_promoted_and_leave(peer_node: PeerNode) -> None:
    peer = peer_node.peer()
    joined = await peer.join(ADDRESS)
    assert (joined.cluster_name, joined.cluster_token) == ("west", "token-7")
    assert joined.initial_cluster == "four=http://10.0.0.4:28103"
    assert await peer.join(ADDRESS) == joined
    assert peer_node.members.nodes == {4: ADDRESS}
    with pytest.raises(Conflict, match="node 4 is four"):
        await peer.join(ADDRESS._replace(name="five"))
    await peer.promote(4)
    assert peer_node.members.promoted == [4]
    await peer.leave(4)
    assert peer_node.members.nodes == {}


async def test_an_admin_request_and_its_answer(peer_node: PeerNode) -> None:
    answer = await peer_node.peer().ask(Question("POST", "/v1/x?y=%20", {"accept": "a/b"}))
    assert (answer.status, answer.headers) == (203, {"content-type": "text/plain"})
    assert [part async for part in answer.body] == [b"POST /v1/x?y=%20 {'accept': 'a/b'}"]


async def test_an_empty_body_and_one_of_long_chunks(peer_node: PeerNode) -> None:
    async def body(*chunks: bytes) -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    for chunks in ((), (b"",), (b"a" * (5 << 20), b"b")):
        peer_node.admin.body = body(*chunks)
        answer = await peer_node.peer().ask(Question("GET", "/", {}))
        parts = [part async for part in answer.body]
        assert b"".join(parts) == b"".join(chunks)
        assert all(len(part) <= 1 << 20 for part in parts)


async def test_closing_the_body_ends_the_work(peer_node: PeerNode) -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.set()

    peer_node.admin.body = endless()
    answer = await peer_node.peer().ask(Question("GET", "/", {}))
    assert await anext(answer.body) == b"first"
    assert isinstance(answer.body, Body)
    await answer.body.aclose()
    assert [part async for part in answer.body] == []
    await asyncio.wait_for(ended.wait(), 10)


async def test_cancelling_a_question_ends_the_work_before_its_answer_began(peer_node: PeerNode) -> None:
    peer_node.admin.stuck = True
    asking = asyncio.ensure_future(peer_node.peer().ask(Question("GET", "/", {})))
    await until_async(lambda: peer_node.admin.working == 1)
    asking.cancel()
    await until_async(lambda: peer_node.admin.working == 0)


async def test_a_snapshot_is_read_from_any_offset(peer_node: PeerNode) -> None:
    info = await _with_snapshot(peer_node)
    peer = peer_node.peer()
    (offer,) = await peer.snapshots()
    held = (info.path / "data.mdb").read_bytes()
    assert (offer.position, offer.size, offer.content_hash) == (
        Position(*info.log_id),
        len(held),
        info.content_hash,
    )
    for offset in (0, 1, (1 << 20) + 7, len(held)):
        chunks = [chunk async for chunk in peer.snapshot(offer, offset)]
        assert b"".join(chunks) == held[offset:]
        assert all(len(chunk) <= 1 << 20 for chunk in chunks)
    with pytest.raises(InvalidRequest, match="beyond the file"):
        await _drain(peer.snapshot(offer, len(held) + 1))


async def test_a_snapshot_that_is_gone_or_another_is_said(peer_node: PeerNode) -> None:
    await _with_snapshot(peer_node)
    peer = peer_node.peer()
    (offer,) = await peer.snapshots()
    other = SnapshotOffer(**{**vars(offer), "file_hash": "0" * 64})
    gone = SnapshotOffer(**{**vars(offer), "index": 999})
    for wrong in (other, gone):
        with pytest.raises(NotFound, match=r"\(any more\); it holds 1-0-"):
            await _drain(peer.snapshot(wrong))


async def test_a_snapshot_removed_while_it_is_sent_is_sent_whole(peer_node: PeerNode) -> None:
    info = await _with_snapshot(peer_node)
    peer = peer_node.peer()
    (offer,) = await peer.snapshots()
    held = (info.path / "data.mdb").read_bytes()
    chunks = peer.snapshot(offer)
    received = await anext(chunks)
    (info.path / "data.mdb").unlink()
    received += b"".join([chunk async for chunk in chunks])
    assert received == held


async def test_only_the_secret_opens_every_method(tmp_path: Path, transport: Transport) -> None:
    async with PeerNode(tmp_path, transport, auth=PeerAuth(["sesam-\N{SNOWMAN}", "old"])) as node:
        for secret in ("sesam-\N{SNOWMAN}", "old"):
            assert (await node.peer(Access(secret)).status()).node_id == 0
        for wrong in (None, "", "sesam", "OLD"):
            peer = node.peer(Access(wrong))
            offer = SnapshotOffer(0, 0, 0, 0, 0, 0, "", "", 0, 0.0)
            calls = [
                peer.call("Append", pb.AppendRequest()),
                peer.call("Head", pb.HeadRequest()),
                peer.stream("Tail", pb.TailRequest(), None).read(),
                peer.snapshots(),
                _drain(peer.snapshot(offer)),
                peer.ask(Question("GET", "/", {})),
                peer.status(),
                peer.join(ADDRESS),
                peer.leave(1),
                peer.promote(1),
            ]
            assert len(calls) == len(node.peer_service.handlers())
            for call in calls:
                with pytest.raises(Unauthenticated, match="raft_secret"):
                    await call
            with pytest.raises(Unavailable, match="raft_secret"):
                await PeerSource(peer).head()
        assert (node.source.entries, node.members.nodes) == ([], {})


async def test_a_node_without_the_service_is_no_way_to_the_log(tmp_path: Path, transport: Transport) -> None:
    async with RpcNode(tmp_path, transport) as node:
        peer = PeerClient(node.endpoint)
        with pytest.raises(NotImplementedHere):
            await peer.status()
        for call in (PeerSource(peer).head(), anext(PeerSource(peer).tail(1))):
            with pytest.raises(Unavailable):
                await call
        await peer.close()


def test_without_strictness_a_wrong_secret_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    auth = PeerAuth(["new"], strict=False)
    for _ in range(3):
        auth.check(())
    assert [record.message for record in caplog.records] == [
        "a node calls with none of the accepted secrets; raft_secret_strict is off"
    ]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", 0),
        ("[::1]:1", 0),
        ("localhost:1", 0),
        ("0.0.0.0:1", 1),
        ("[::]:1", 1),
        ("meta.lan:1", 1),
    ],
)
def test_an_open_service_beyond_this_machine_is_told(
    caplog: pytest.LogCaptureFixture, address: str, told: int
) -> None:
    caplog.set_level(logging.WARNING)
    PeerAuth(["secret"]).warn_if_open(address)
    assert not caplog.records
    PeerAuth([]).warn_if_open(address)
    assert len(caplog.records) == told


async def test_tls(tmp_path: Path, transport: Transport) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("meta.test")
    tls = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    tls.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    tls.key.write_bytes(issued.private_key_pem.bytes())
    async with PeerNode(tmp_path, transport, tls=tls) as node:
        trusting = Access(tls=PeerTls(authority.cert_pem.bytes(), "meta.test"))
        assert (await node.peer(trusting).status()).node_id == 0
        for doubting in (Access(), Access(tls=PeerTls(trustme.CA().cert_pem.bytes(), "meta.test"))):
            with pytest.raises(Unavailable):
                await node.peer(doubting).status()


async def test_calls_of_nodes_are_not_counted_with_those_of_clients(peer_node: PeerNode) -> None:
    await peer_node.peer().status()
    assert peer_node.metrics.req_success == 0


async def test_the_work_of_a_client_that_left_goes_on_nowhere(peer_node: PeerNode) -> None:
    await _with_snapshot(peer_node)
    peer = peer_node.peer()
    (offer,) = await peer.snapshots()
    chunks = peer.snapshot(offer)
    await anext(chunks)
    await chunks.aclose()
    tail = peer_node.peer_source().tail(1)
    await peer_node.source.append(b"r")
    await anext(tail)
    assert peer_node.source.tails == 1
    await tail.aclose()
    await until_async(lambda: peer_node.source.tails == 0)


async def _with_snapshot(node: PeerNode) -> SnapshotFacts:
    puts = tuple(Put(f"k{number}", b"v" * 1000) for number in range(3000))
    await node.log.propose(Transaction((Branch(None, puts),)))
    return await node.log.snapshot()


async def _drain(iterator: AsyncIterator[object]) -> None:
    async for _ in iterator:
        pass
