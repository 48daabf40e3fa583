"""The nghttp2 transport against clients that no gRPC library is: what is refused, bounded and cleaned up."""

import asyncio
import contextlib
import gzip
from base64 import b64encode
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import grpc
import pytest
import trustme

from diag.open_connections import OpenConnections
from diag.rpc.dispatch import Context, Handler
from diag.rpc.h2_server import Http2Server
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.wire import Metadata, framed
from tests.polling import until_async
from tests.rpc.h2_client import CALL, H2Client, connected
from tests.rpc.harness import RpcNode

pytestmark = pytest.mark.anyio

CLIENT_INFO = b"/meta.MetaService/GetClientInfo"
WATCH = b"/meta.MetaService/Watch"
KV_GET_MANY = b"/meta.MetaService/KvGetMany"
LIMIT = 32 << 20


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RpcNode]:
    async with RpcNode(tmp_path, "nghttp2") as node:
        yield node


@pytest.fixture
async def client(node: RpcNode) -> AsyncIterator[H2Client]:
    async with connected(node.port) as client:
        yield client


def code(name: str) -> int:
    return int(grpc.StatusCode[name].value[0])


def packed(message: bytes) -> bytes:
    body = gzip.compress(message)
    return b"\1" + len(body).to_bytes(4, "big") + body


async def answers(client: H2Client) -> bool:
    """Whether the connection still serves a call."""
    stream = client.call(CLIENT_INFO)
    client.send(stream, framed(b""), end=True)
    return (await client.status(stream))[0] == 0


async def test_a_connection_that_asks_nothing(node: RpcNode, client: H2Client) -> None:
    assert await answers(client)


async def test_a_request_that_is_no_call(client: H2Client) -> None:
    head = dict(CALL) | {b":path": CLIENT_INFO}
    for change, status in (({b":method": b"GET"}, b"405"), ({b"content-type": b"text/plain"}, b"415")):
        stream = client.request(list((head | change).items()), end=True)
        await client.until(partial(client.ended.__contains__, stream))
        assert client.headers[stream][b":status"] == status
    assert await answers(client)


async def test_a_call_without_a_message_and_one_with_two(client: H2Client) -> None:
    empty = client.call(CLIENT_INFO, end=True)
    double = client.call(CLIENT_INFO)
    client.send(double, framed(b"") + framed(b""), end=True)
    for stream, count in ((empty, 0), (double, 2)):
        status, text = await client.status(stream)
        assert status == code("INVALID_ARGUMENT")
        assert f"{count} messages" in text


@pytest.mark.parametrize("keys", [1, 2_000])
async def test_a_request_that_comes_in_pieces(node: RpcNode, client: H2Client, keys: int) -> None:
    async with node.raw() as raw:
        token = (b"auth-token-bin", b64encode(raw.token[0][1]))
    names = ",".join(f'"key-{number}"' for number in range(keys))
    whole = framed(pb.RaftRequest(data='{"MGetKV":{"keys":[' + names + "]}}").SerializeToString())
    stream = client.call(b"/meta.MetaService/KvReadV1", token)
    for piece in (whole[:3], whole[3:10], whole[10:], b""):
        client.send(stream, piece, end=not piece)
    assert (await client.status(stream))[0] == 0
    assert client.data[stream].count(b"key-") == keys


async def test_a_message_beyond_the_limit_is_refused_before_it_is_sent(client: H2Client) -> None:
    stream = client.call(b"/meta.MetaService/Transaction")
    client.send(stream, b"\0" + (LIMIT + 1).to_bytes(4, "big"))
    status, text = await client.status(stream)
    assert status == code("RESOURCE_EXHAUSTED")
    assert str(LIMIT) in text
    # What it sends all the same is thrown away, and holds nobody up.
    client.send(stream, b"x" * (20 << 20), end=True)
    assert await answers(client)


async def test_a_second_message_is_refused_before_the_request_ends(client: H2Client) -> None:
    stream = client.call(CLIENT_INFO)
    client.send(stream, framed(b"") + framed(b""))
    status, text = await client.status(stream)
    assert status == code("INVALID_ARGUMENT")
    assert "exactly one" in text


@pytest.mark.parametrize("cut", [0, 1])
async def test_whole_and_half_requests_that_never_end_are_bounded_together(
    client: H2Client, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr("diag.rpc.h2_connection._REQUESTS_HELD", 1 << 20)
    payload = framed(b"x" * (400 << 10))
    streams = [client.call(b"/meta.MetaService/Transaction") for _ in range(3)]
    for stream in streams:
        client.send(stream, payload[: len(payload) - cut])
    status, text = await client.status(streams[-1])
    assert status == code("UNAVAILABLE")
    assert "try again" in text
    for stream in streams[:-1]:
        client.reset(stream)
    assert await answers(client)
    again = client.call(b"/meta.MetaService/Transaction")
    client.send(again, payload, end=True)
    assert (await client.status(again))[0] == code("UNAUTHENTICATED")


@pytest.mark.parametrize("path", [KV_GET_MANY, b"/meta.MetaService/KvReadV1"])
async def test_headers_of_requests_that_never_come_are_bounded_too(
    node: RpcNode, client: H2Client, monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    """Compressed they cost their client a few bytes each."""
    monkeypatch.setattr("diag.rpc.h2_connection._REQUESTS_HELD", 1 << 20)
    async with connected(node.port) as other:
        streams = [
            other.call(path, (b"long", b"x" * 10_000), (b"number", b"%d" % number)) for number in range(110)
        ]
        assert (await other.status(streams[-1]))[0] == code("UNAVAILABLE")
        for stream in streams[:-1]:
            other.reset(stream)
        assert await answers(other)
    assert await answers(client)


async def test_a_request_that_ends_in_the_middle_of_a_message(node: RpcNode, client: H2Client) -> None:
    async with node.raw() as raw:
        stream = client.call(KV_GET_MANY, (b"auth-token-bin", b64encode(raw.token[0][1])))
    client.send(stream, framed(b"") + b"\0\0\0\0\5ab", end=True)
    status, text = await client.status(stream)
    assert status == code("INVALID_ARGUMENT")
    assert "middle" in text


async def test_headers_that_cannot_be_read(client: H2Client) -> None:
    for header in ((b"grpc-timeout", b"soon"), (b"auth-token-bin", b"!")):
        stream = client.call(CLIENT_INFO, header, end=True)
        assert (await client.status(stream))[0] == code("INVALID_ARGUMENT")
    stream = client.call(CLIENT_INFO, (b"grpc-encoding", b"snappy"))
    client.send(stream, b"\1\0\0\0\1x", end=True)
    assert (await client.status(stream))[0] == code("UNIMPLEMENTED")


async def test_compressed_requests_of_each_kind(node: RpcNode, client: H2Client) -> None:
    async with node.raw() as raw:
        await raw.put("k", b"v")
        token = (b"auth-token-bin", b64encode(raw.token[0][1]))
    packing = (b"grpc-encoding", b"gzip")
    read = pb.RaftRequest(data='{"GetKV":{"key":"k"}}').SerializeToString()
    for path, request in (
        (CLIENT_INFO, b""),
        (b"/meta.MetaService/KvReadV1", read),
        (KV_GET_MANY, pb.KvGetManyRequest(key="k").SerializeToString()),
    ):
        stream = client.call(path, token, packing)
        client.send(stream, packed(request), end=True)
        assert await client.status(stream) == (0, "")
        bomb = client.call(path, token, packing)
        client.send(bomb, packed(bytes(LIMIT + 1)), end=True)
        broken = client.call(path, token, packing)
        client.send(broken, packed(request)[:-1].replace(b"\x1f\x8b", b"\0\0") + b"x", end=True)
        assert (await client.status(bomb))[0] == code("RESOURCE_EXHAUSTED")
        assert (await client.status(broken))[0] == code("INVALID_ARGUMENT")
    await until_async(lambda: node.metrics.req_inflights == 0)


async def test_a_deadline_ends_a_call_whose_message_never_comes(client: H2Client) -> None:
    stream = client.call(KV_GET_MANY, (b"grpc-timeout", b"100m"))
    assert (await client.status(stream))[0] == code("DEADLINE_EXCEEDED")


async def test_requests_never_finished_are_forgotten_with_their_stream_and_connection(
    node: RpcNode, client: H2Client
) -> None:
    async with connected(node.port) as other:
        for each in (client, other):
            for _ in range(50):
                stream = each.call(b"/meta.MetaService/Transaction")
                each.send(stream, b"\0" + (1000).to_bytes(4, "big") + b"x" * 500)
                if each is client:
                    each.reset(stream)
    assert await answers(client)
    await until_async(lambda: node.metrics.req_inflights == 0)


async def test_a_storm_of_resets(node: RpcNode, client: H2Client) -> None:
    """An engine ends every watch by a reset; thousands in one go are its right."""
    watch = framed(pb.WatchRequest(key="k").SerializeToString())
    for _ in range(5_000):
        stream = client.call(WATCH)
        client.send(stream, watch, end=True)
        client.reset(stream)
    assert await answers(client)
    await until_async(lambda: node.hub.watcher_count == 0)


async def test_calls_that_are_reset_in_the_breath_they_are_made_in(node: RpcNode, client: H2Client) -> None:
    async with node.raw() as raw:
        token = (b"auth-token-bin", b64encode(raw.token[0][1]))
    read = framed(pb.RaftRequest(data='{"GetKV":{"key":"k"}}').SerializeToString())
    for path, payload in (
        (b"/meta.MetaService/KvReadV1", read),
        (CLIENT_INFO, framed(b"")),
        (KV_GET_MANY, framed(b"")),
        (b"/meta.MetaService/None", b""),
        (CLIENT_INFO, b"\0\xff\xff\xff\xff"),
    ):
        with client.in_one_write():
            stream = client.call(path, token)
            client.send(stream, payload, end=True)
            client.reset(stream)
        assert await answers(client)
    await until_async(lambda: node.metrics.req_inflights == 0)


async def test_a_client_that_breaks_the_protocol_loses_its_calls_and_no_others(
    node: RpcNode, client: H2Client
) -> None:
    watch = framed(pb.WatchRequest(key="k").SerializeToString())
    async with connected(node.port) as broken:
        for _ in range(10):
            broken.send(broken.call(WATCH), watch, end=True)
        await until_async(lambda: node.hub.watcher_count == 10)
        broken.write(b"\0\0\5\0\0\0\0\0\0hello")  # DATA on stream 0
        async with node.raw() as raw:
            await raw.put("k")
        await broken.until(lambda: broken.closed)
    await until_async(lambda: node.hub.watcher_count == 0)
    assert await answers(client)


async def test_a_client_that_resets_and_leaves_in_one_breath(
    node: RpcNode, client: H2Client, caplog: pytest.LogCaptureFixture
) -> None:
    watch = framed(pb.WatchRequest(key="k").SerializeToString())
    for path, payload, end in (
        (WATCH, watch, True),
        (CLIENT_INFO, framed(b""), True),
        (WATCH, watch[:3], False),
    ):
        async with connected(node.port) as leaving:
            await leaving.until(lambda: leaving.greeted)
            with leaving.in_one_write():
                stream = leaving.call(path)
                leaving.send(stream, payload, end=end)
                leaving.reset(stream)
                leaving.leave()
            await leaving.until(lambda: leaving.closed)
    assert await answers(client)
    assert not caplog.records


async def test_a_client_that_reads_nothing_and_goes_beyond_a_limit_loses_its_calls(tmp_path: Path) -> None:
    watch = framed(pb.WatchRequest(key="k").SerializeToString())
    async with (
        RpcNode(tmp_path, "nghttp2", max_bytes=1 << 30) as node,
        node.raw() as raw,
        connected(node.port, window=1 << 30) as client,
    ):
        client.http2.set_local_window_size(1 << 30)
        client.send(client.call(WATCH), watch, end=True)
        await until_async(lambda: node.hub.watcher_count == 1)
        client.read_no_more()
        for _ in range(16):
            await raw.put("k", b"v" * (2 << 20))
        client.call(CLIENT_INFO, (b"long", b"x" * (20 << 10)))  # more than the settings allow
        await until_async(lambda: node.hub.watcher_count == 0)


async def test_ten_thousand_watchers_on_one_connection(node: RpcNode, client: H2Client) -> None:
    streams = []
    for number in range(10_000):
        stream = client.call(WATCH)
        request = pb.WatchRequest(key="all", key_end="alm") if number % 100 else pb.WatchRequest(key="one")
        client.send(stream, framed(request.SerializeToString()), end=True)
        streams.append(stream)
    await client.until(lambda: len(client.headers) == len(streams))
    assert node.hub.watcher_count == 10_000
    async with node.raw() as raw:
        await raw.put("all")
        await client.until(lambda: sum(map(bool, client.data.values())) == 9_900)
        await raw.put("one")
        await client.until(lambda: all(client.data[stream] for stream in streams))
    event = pb.WatchResponse.FromString(client.data[streams[0]][5:]).event
    assert event.key == "one"


async def test_an_answer_that_is_not_taken_is_not_piled_up(node: RpcNode) -> None:
    async with node.raw() as raw, connected(node.port, window=0) as client:
        await raw.put("k", b"v" * (1 << 20))
        request = pb.RaftRequest(data='{"MGetKV":{"keys":[' + ",".join(['"k"'] * 60) + "]}}")
        before = node.metrics.sent_bytes
        for _ in range(20):
            stream = client.call(
                b"/meta.MetaService/KvReadV1", (b"auth-token-bin", b64encode(raw.token[0][1]))
            )
            client.send(stream, framed(request.SerializeToString()), end=True)
        await until_async(lambda: node.metrics.req_inflights == 20)
        assert (await raw.put("other")).success
        # One message a call, and not the 1,200 that were asked for.
        assert node.metrics.sent_bytes - before < 25 << 20
    await until_async(lambda: node.metrics.req_inflights == 0)


async def test_thousands_of_initial_flushes_at_once(node: RpcNode, client: H2Client) -> None:
    async with node.raw() as raw:
        await raw.put("k", b"v")
        watch = framed(pb.WatchRequest(key="k", initial_flush=True).SerializeToString())
        with client.in_one_write():
            streams = [client.call(WATCH) for _ in range(3_000)]
            for stream in streams:
                client.send(stream, watch, end=True)
        await client.until(lambda: len(client.data) == len(streams))
        assert not client.ended


async def test_initial_flushes_that_are_not_taken_leave_room_for_readers(node: RpcNode) -> None:
    async with node.raw() as raw, connected(node.port, window=0) as client:
        await raw.put("k", b"v" * (64 << 10))
        watch = framed(pb.WatchRequest(key="k", initial_flush=True).SerializeToString())
        for _ in range(1_100):
            client.send(client.call(WATCH), watch, end=True)
        await until_async(lambda: node.metrics.req_inflights == 1_100)
        assert (await raw.put("k", b"w")).success
        request = pb.RaftRequest(data='{"GetKV":{"key":"k"}}')
        items = [item async for item in raw.stub.KvReadV1(request, metadata=raw.token)]
        assert items[0].value.data == b"w"


async def test_watchers_that_take_nothing_share_a_bound(tmp_path: Path) -> None:
    count, size = 400, 1 << 20
    async with (
        RpcNode(tmp_path, "nghttp2", max_bytes=1 << 30) as node,
        node.raw() as raw,
        connected(node.port, window=0) as client,
    ):
        client.http2.set_local_window_size(1 << 30)
        watch = framed(pb.WatchRequest(key="k").SerializeToString())
        streams = [client.call(WATCH) for _ in range(count)]
        for stream in streams:
            client.send(stream, watch, end=True)
        await until_async(lambda: node.hub.watcher_count == count)
        await raw.put("k", b"v" * size)
        await raw.put("other")
        # A watcher's message is not even made while its connection has so much waiting.
        assert node.metrics.sent_bytes < 300 << 20
        other = client.call(CLIENT_INFO, end=True)
        status, text = await client.status(other)
        assert status == code("UNAVAILABLE")
        assert "read them first" in text
        # What is reset makes room too.
        before, gone, stay = node.metrics.sent_bytes, streams[:300], streams[300:]
        for stream in gone:
            client.reset(stream)
        await until_async(lambda: node.metrics.sent_bytes > before + size)
        client.grant(2 << 20)
        await client.until(lambda: all(len(client.data[stream]) > size for stream in stay))


async def test_windows_that_a_setting_opens(node: RpcNode) -> None:
    async with node.raw() as raw, connected(node.port, window=0) as client:
        await raw.put("k", b"v" * (1 << 20))
        token = (b"auth-token-bin", b64encode(raw.token[0][1]))
        stream = client.call(b"/meta.MetaService/KvReadV1", token)
        request = pb.RaftRequest(data='{"MGetKV":{"keys":["k","k","k"]}}')
        client.send(stream, framed(request.SerializeToString()), end=True)
        await client.until(lambda: client.headers[stream])
        client.grant(8 << 20)
        assert (await client.status(stream))[0] == 0
        assert len(client.data[stream]) > 3 << 20


async def test_a_flood_of_window_updates_while_thousands_wait(node: RpcNode, client: H2Client) -> None:
    async with node.raw() as raw, connected(node.port, window=0) as slow:
        watch = framed(pb.WatchRequest(key="k").SerializeToString())
        for _ in range(2_000):
            slow.send(slow.call(WATCH), watch, end=True)
        await until_async(lambda: node.hub.watcher_count == 2_000)
        await raw.put("k", b"v" * (64 << 10))
        slow.write(b"\0\0\4\x08\0\0\0\0\0\0\0\0\1" * 200_000)
        assert await answers(client)


async def test_stopping_says_good_bye_and_closes(node: RpcNode, client: H2Client) -> None:
    stream = client.call(WATCH)
    client.send(stream, framed(pb.WatchRequest(key="k").SerializeToString()), end=True)
    await client.until(lambda: client.headers[stream])
    await node.server.stop(1)
    status, text = await client.status(stream)
    assert status == code("UNAVAILABLE")
    assert "stopping" in text
    await client.until(lambda: client.closed)


async def test_a_shortcut_that_fails_leaves_the_call_to_its_handler_and_the_connection_whole() -> None:
    async def serve(request: bytes, context: Context) -> bytes:
        return b"served"

    def fail(request: bytes, metadata: Metadata) -> list[bytes] | None:
        raise RuntimeError("nobody foresaw this")

    server = Http2Server({"/a.B/C": Handler("unary", serve)}, {"/a.B/C": fail}, LIMIT)
    async with connected(await server.start("127.0.0.1", 0, None)) as client:
        for _ in range(2):
            stream = client.call(b"/a.B/C")
            client.send(stream, framed(b""), end=True)
            assert await client.status(stream) == (0, "")
            assert client.data[stream] == framed(b"served")
    await server.stop(0)


async def test_connections_of_an_address_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    server = Http2Server({}, {}, LIMIT, known=OpenConnections(most=9, of_an_address=2))
    port = await server.start("127.0.0.1", 0, None)
    async with connected(port) as first:
        async with connected(port) as second:
            assert await is_greeted(first)
            assert await is_greeted(second)
            for _ in range(3):
                async with connected(port) as beyond:
                    assert not await is_greeted(beyond)
        async with asyncio.timeout(10):
            while True:
                async with connected(port) as after:
                    if await is_greeted(after):
                        break
        assert not first.closed
    assert [record.levelname for record in caplog.records].count("WARNING") == 1, "a flood is told once"
    await server.stop(0)


async def is_greeted(client: H2Client) -> bool:
    """Whether the connection is served, and not closed."""
    await client.until(lambda: client.greeted or client.closed)
    return client.greeted


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Files of a certificate and its key."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    return cert, key


@contextlib.asynccontextmanager
async def silent(port: int) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that never says anything."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield reader
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


async def hung_up(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            return await reader.read() == b""
        return True


async def test_a_tls_handshake_that_never_comes_is_not_waited_for(pair: tuple[Path, Path]) -> None:
    server = Http2Server({}, {}, LIMIT, handshake_seconds=0.2)
    async with silent(await server.start("127.0.0.1", 0, pair)) as reader:
        assert await hung_up(reader)
    await server.stop(0.0)


async def test_tls_handshakes_count_among_the_connections(pair: tuple[Path, Path]) -> None:
    server = Http2Server({}, {}, LIMIT, handshake_seconds=60, known=OpenConnections(most=9, of_an_address=2))
    port = await server.start("127.0.0.1", 0, pair)
    async with silent(port) as first, silent(port) as second, silent(port) as beyond:
        assert await hung_up(beyond)
        await server.stop(0.0)
        assert await hung_up(first)
        assert await hung_up(second)
