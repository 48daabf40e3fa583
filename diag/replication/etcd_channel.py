"""Where etcd is reached: one gRPC channel an endpoint, opened at first use.

An endpoint is ``unix:/path`` or ``host:port``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from diag.replication.etcd_flags import MAX_REQUEST_BYTES
from diag.replication.stubs import etcd_pb2_grpc as services

#: etcd answers pings that come more often than every 5 s by cutting the connection.
_KEEPALIVE_MS = 10_000
_OPTIONS = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # what one attempt to connect is given
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", 2 * MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", 2 * MAX_REQUEST_BYTES),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True)
class ClientTls:
    """PEM bytes: the CA to trust, and the certificate and key to show where the server asks for one."""

    ca: bytes
    cert: bytes | None = None
    key: bytes | None = None


class Connection:
    """One endpoint's channel and the stubs on it."""

    def __init__(self, endpoint: str, tls: ClientTls | None) -> None:
        self.endpoint = endpoint
        if tls is None:
            self.channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
            self.channel = grpc.aio.secure_channel(endpoint, credentials, options=_OPTIONS)
        untyped: Any = services
        self.kv = untyped.KVStub(self.channel)
        self.watch = untyped.WatchStub(self.channel)
        self.cluster = untyped.ClusterStub(self.channel)
        self.maintenance = untyped.MaintenanceStub(self.channel)


class Connections:
    """Several endpoints of one cluster, of which one is in use until it fails."""

    def __init__(self, endpoints: Sequence[str], tls: ClientTls | None) -> None:
        self._endpoints = tuple(endpoints)
        self._tls = tls
        self._open: dict[str, Connection] = {}
        self._at = 0

    def __len__(self) -> int:
        return len(self._endpoints)

    @property
    def current(self) -> Connection:
        endpoint = self._endpoints[self._at]
        if endpoint not in self._open:
            self._open[endpoint] = Connection(endpoint, self._tls)
        return self._open[endpoint]

    def leave(self, failed: Connection) -> None:
        """Use the next endpoint, unless another call has left the failed one already."""
        if failed.endpoint == self._endpoints[self._at]:
            self._at = (self._at + 1) % len(self._endpoints)

    async def close(self) -> None:
        opened, self._open = self._open, {}
        for connection in opened.values():
            await connection.channel.close()
