from pathlib import Path

import grpc
import grpc.aio
import pytest
import trustme
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2

from diag.errors import Unavailable
from diag.rpc.client import MetaClient
from diag.rpc.server import RpcServer, Tls
from tests.rpc.harness import RawClient, RpcNode, Transport, refused

pytestmark = pytest.mark.anyio


async def ask(raw: RawClient, version: str, **fields: str) -> reflection_pb2.ServerReflectionResponse:
    call = raw.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(iter([reflection_pb2.ServerReflectionRequest(**fields)]))
    (response,) = [response async for response in call]
    assert isinstance(response, reflection_pb2.ServerReflectionResponse)
    return response


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_a_tool_that_knows_nothing_finds_the_service_and_its_methods(
    raw: RawClient, version: str
) -> None:
    listed = await ask(raw, version, list_services="*")
    names = [service.name for service in listed.list_services_response.service]
    assert "meta.MetaService" in names
    found = await ask(raw, version, file_containing_symbol="meta.MetaService")
    (encoded,) = found.file_descriptor_response.file_descriptor_proto
    file = FileDescriptorProto.FromString(encoded)
    assert file.package == "meta"
    assert {method.name for method in file.service[0].method} == {
        *("Handshake", "KvApi", "KvReadV1", "KvList", "KvGetMany", "Transaction", "KvTransaction", "Watch"),
        *("Export", "ExportV1", "SnapshotKeysLayout", "MemberList", "GetClusterStatus", "GetClientInfo"),
    }
    again = await ask(raw, version, file_by_filename=file.name)
    assert again.file_descriptor_response.file_descriptor_proto[0] == encoded


async def test_a_port_in_use_is_an_error_and_not_shared(node: RpcNode, transport: Transport) -> None:
    second = RpcServer(node.service, node.endpoint, transport=transport)
    with pytest.raises(Unavailable, match=node.endpoint):
        await second.start()


async def test_stopping_twice_and_starting_again_on_the_same_port(
    tmp_path: Path, transport: Transport
) -> None:
    async with RpcNode(tmp_path / "a", transport) as first:
        endpoint = first.endpoint
    async with RpcNode(tmp_path / "b", transport) as second:
        await second.server.stop(0)
        server = RpcServer(second.service, endpoint, transport=transport)
        await server.start()
        async with MetaClient([endpoint]) as client:
            assert await client.get("k") is None
        await server.stop(0)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> Tls:
    issued = authority.issue_cert("meta.test", "127.0.0.1")
    files = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    files.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    files.key.write_bytes(issued.private_key_pem.bytes())
    return files


async def test_tls(tmp_path: Path, transport: Transport, tls: Tls, authority: trustme.CA) -> None:
    async with RpcNode(tmp_path, transport, tls=tls) as node:
        ca = authority.cert_pem.bytes()
        for options in ({}, {"tls_domain": "meta.test"}):
            async with node.client(tls_ca=ca, **options) as client:
                await client.put("k", b"v")
                assert (await client.client_info()).client_addr.startswith("127.0.0.1:")
        async with node.client(attempts=1) as plain:
            assert (await refused(plain.get("k")))[0] is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "[::1]:0", "[::]:0"])
async def test_addresses_of_both_families(node: RpcNode, transport: Transport, address: str) -> None:
    server = RpcServer(node.service, address, transport=transport)
    port = await server.start()
    host = address.rpartition(":")[0].replace("[::]", "[::1]")
    async with MetaClient([f"{host}:{port}"]) as client:
        assert await client.get("k") is None
    await server.stop(0)


async def test_a_certificate_that_is_none_is_said(
    node: RpcNode, transport: Transport, tmp_path: Path
) -> None:
    file = tmp_path / "none.pem"
    file.write_bytes(b"no")
    server = RpcServer(node.service, "127.0.0.1:0", transport=transport, tls=Tls(file, file))
    with pytest.raises(Unavailable, match="certificate"):
        await server.start()
