"""The server side of the gRPC benchmark: the real service, and calls that do nothing beside it.

``python -m diag.perf.rpc_bench_server DIRECTORY TRANSPORT`` prints its port, then the CPU seconds it has used
for every line it is sent, and ends with its standard input.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Literal

import uvloop

from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.kv.view import Reader
from diag.kv.watch import WatchHub
from diag.metrics.registry import Metrics
from diag.replication import NodeAddress
from diag.replication.local import LocalLog
from diag.rpc.auth import HandshakeAuth
from diag.rpc.dispatch import Context, Handler
from diag.rpc.server import RpcServer
from diag.rpc.service import MetaService

EMPTY_SERVICE = "bench.Empty"


async def serve(directory: Path, transport: Literal["nghttp2", "grpcio"]) -> None:
    """Serve until standard input ends."""
    sys.setswitchinterval(0.0005)
    store = Store.open(directory / "store")
    address = NodeAddress(0, "0", "127.0.0.1", 0, None)
    log = LocalLog(store, address, SnapshotStore(directory / "snapshots"), _now_ms, 1 << 60)
    hub = WatchHub(store)
    await log.start()
    log.subscribe(lambda applied: hub.publish(applied.log_id.index, applied.changes))
    service = MetaService(log, Reader(store), hub, HandshakeAuth(), Metrics(), _now_ms)
    server = RpcServer(service, "127.0.0.1:0", transport=transport)
    server.add(
        EMPTY_SERVICE,
        {
            "Unary": Handler("unary", _unary),
            "Stream": Handler("stream", _stream),
        },
    )
    _say(await server.start())
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        _say(time.process_time())
    await server.stop(0)
    await log.stop()


async def _unary(request: bytes, context: Context) -> bytes:
    return b""


async def _stream(request: bytes, context: Context) -> None:
    await context.write(b"")


def _say(value: object) -> None:
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), "nghttp2" if sys.argv[2] == "nghttp2" else "grpcio"))
