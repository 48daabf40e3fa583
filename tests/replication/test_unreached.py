"""What the transport says, as it really says it, in words."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import trustme

from diag.errors import Unavailable
from diag.perf.node_process import free_ports
from diag.replication.peer_client import OPEN, Access, PeerClient, PeerTls
from diag.replication.unreached import meaning_of, plainly

pytestmark = pytest.mark.anyio

Serve = Callable[[socket.socket], None]


async def told(address: str, access: Access = OPEN) -> str:
    """Why the node at ``address`` is not reached."""
    client = PeerClient(address, access, name="node 3", seconds=20.0)
    try:
        with pytest.raises(Unavailable) as refusal:
            await client.status()
    finally:
        await client.close()
    return str(refusal.value)


@contextmanager
def listening(serve: Serve) -> Iterator[str]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):
                serve(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def hang_up(_: socket.socket) -> None:
    return


def speak_http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def test_words_of_somebody_else_have_no_meaning() -> None:
    assert meaning_of("") is None
    assert meaning_of("the cluster has no leader") is None


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("", ""),
        ("etcdserver: no leader", "etcdserver: no leader"),
        (
            "failed to connect to all addresses; last error: UNKNOWN: unix:/a/etcd.sock: "
            "Failed to connect to remote host: Connection refused",
            "/a/etcd.sock cannot be reached: Connection refused",
        ),
        (
            "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:9: Socket closed",
            "127.0.0.1:9 cannot be reached: Socket closed",
        ),
    ],
)
def test_an_address_and_a_reason_are_enough(said: str, plain: str) -> None:
    assert plainly(said) == plain


async def test_a_port_where_nothing_listens() -> None:
    (port,) = free_ports(1)
    assert await told(f"127.0.0.1:{port}") == (
        "node 3 cannot be reached: nothing listens there; "
        "start the node, or correct the address it advertises."
    )


async def test_a_name_that_nobody_knows() -> None:
    assert "its name is not known here" in await told("no-such-host.invalid:9191")


async def test_what_hangs_up() -> None:
    with listening(hang_up) as address:
        assert "it hung up; is it stopping" in await told(address)


async def test_what_is_no_node() -> None:
    with listening(speak_http) as address:
        assert "speaks no gRPC" in await told(address)


async def test_what_is_silent() -> None:
    with listening(say_nothing) as address:
        assert "is its process frozen?" in await told(address)


async def test_what_has_no_tls() -> None:
    with listening(speak_http) as address:
        assert "TLS is not agreed on" in await told(
            address, Access(tls=PeerTls(trustme.CA().cert_pem.bytes()))
        )
