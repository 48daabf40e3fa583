import grpc
import grpc.aio
import pytest

from diag.rpc.auth import TOKEN_KEY
from diag.rpc.stubs import auth_pb2
from diag.rpc.stubs import meta_pb2 as pb
from tests.rpc.harness import RawClient, RpcNode, put_op, refused

pytestmark = pytest.mark.anyio

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


async def test_a_handshake_without_a_request_is_internal(raw: RawClient) -> None:
    code, text = await refused(raw.stub.Handshake(iter(())))
    assert code is grpc.StatusCode.INTERNAL
    assert "without a request" in text


async def test_a_handshake_answers_with_the_protocol_number_and_a_token(raw: RawClient) -> None:
    reply = await raw.login()
    assert reply.protocol_version == 260304000000
    assert len(reply.payload) > 16


async def test_each_handshake_gives_its_own_token(raw: RawClient) -> None:
    assert (await raw.login()).payload != (await raw.login()).payload


@pytest.mark.parametrize("version", [0, 1_002_259, 1_002_453, 260_304_000_000, 260_629_002_000])
async def test_these_client_versions_are_served(raw: RawClient, version: int) -> None:
    assert (await raw.login(version)).payload


@pytest.mark.parametrize("version", [1, 1_002_258])
async def test_a_client_too_old_is_refused_with_both_versions(raw: RawClient, version: int) -> None:
    code, text = await refused(raw.login(version))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}" in text
    assert "1.2.259" in text


async def test_only_root_is_a_user_and_any_password_will_do(raw: RawClient) -> None:
    assert await refused(raw.login(user="alice")) == (UNAUTHENTICATED, "Unknown user: alice")
    code, text = await refused(raw.login(user="x" * 100_000))
    assert code is UNAUTHENTICATED
    assert text.startswith("Unknown user: xxx")


async def test_the_captured_handshake_of_an_engine_is_understood(raw: RawClient) -> None:
    payload = bytes.fromhex("1204726f6f741a04726f6f74")
    assert auth_pb2.BasicAuth(username="root", password="root").SerializeToString() == payload
    assert await raw.handshake(pb.HandshakeRequest(protocol_version=1002453, payload=payload))


async def test_a_payload_that_is_no_credentials_is_internal(raw: RawClient) -> None:
    code, _ = await refused(raw.handshake(pb.HandshakeRequest(payload=b"\xff\xff\xff")))
    assert code is grpc.StatusCode.INTERNAL


async def test_calls_that_need_a_token(raw: RawClient) -> None:
    stub = raw.stub
    for call in (
        stub.KvApi(pb.RaftRequest()),
        stub.Transaction(pb.TxnRequest()),
        stub.KvTransaction(pb.KvTransactionRequest()),
        stub.MemberList(pb.MemberListRequest()),
        stub.KvReadV1(pb.RaftRequest()),
        stub.KvList(pb.KvListRequest()),
        stub.KvGetMany(iter([pb.KvGetManyRequest(key="k")])),
    ):
        assert await refused(call) == (UNAUTHENTICATED, "Error auth-token-bin is empty")


async def test_calls_that_need_none(raw: RawClient) -> None:
    await raw.stub.GetClusterStatus(pb.Empty())
    await raw.stub.GetClientInfo(pb.Empty())
    assert [chunk async for chunk in raw.stub.Export(pb.Empty())]
    assert [chunk async for chunk in raw.stub.ExportV1(pb.ExportRequest())]
    assert [count async for count in raw.stub.SnapshotKeysLayout(pb.KeysLayoutRequest())]
    (await raw.watching(key="k")).cancel()


@pytest.mark.parametrize("token", [b"x", b"x" * 48, b"\x00" * 16])
async def test_a_token_of_somebody_else(raw: RawClient, token: bytes) -> None:
    call = raw.stub.Transaction(pb.TxnRequest(), metadata=((TOKEN_KEY, token),))
    code, text = await refused(call)
    assert code is UNAUTHENTICATED
    assert text.startswith("token verify failed: ")


async def test_an_empty_token_counts_as_none(raw: RawClient) -> None:
    call = raw.stub.Transaction(pb.TxnRequest(), metadata=((TOKEN_KEY, b""),))
    assert await refused(call) == (UNAUTHENTICATED, "Error auth-token-bin is empty")


async def test_a_revoked_token_and_a_new_one(node: RpcNode, raw: RawClient) -> None:
    await raw.put("k")
    node.auth.revoke_all()
    code, text = await refused(raw.put("k"))
    assert (code, text[:20]) == (UNAUTHENTICATED, "token verify failed:")
    await raw.login()
    assert (await raw.transaction(pb.TxnRequest(if_then=[put_op("k")]))).success
