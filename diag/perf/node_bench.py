"""A node with 100,000 keys: how fast it starts, what it weighs, how soon a picture follows its samples."""

import asyncio
import subprocess
import time
from pathlib import Path
from statistics import median

import httpx

from diag.perf.figures import Figure
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient
from diag.rpc.stubs import meta_pb2 as pb

KEYS = 100_000
_BATCH = 500


def measure(directory: Path, *, starts: int = 5) -> list[Figure]:
    """Start to healthy, idle resident memory, and the first byte of a CPU picture after its last sample."""
    node = NodeProcess(directory / "node")
    with node:
        asyncio.run(fill(node.grpc))
    taken = []
    for _ in range(starts):
        taken.append(node.start())
        resident = resident_megabytes(node.pid)
        node.stop()
    with node, KvLoad(directory, node.grpc):
        delays = [first_byte_delay(node.admin) for _ in range(3)]
    detail = f"median of {starts}, worst {max(taken):.2f} s"
    return [
        Figure(f"start to healthy, {KEYS:,} keys", median(taken), "<=", 1.0, "s", detail),
        Figure(f"idle resident memory, {KEYS:,} keys", resident, "<=", 120, "MB"),
        Figure("first byte of a CPU picture", median(delays), "<=", 0.5, "s", "after sampling, node loaded"),
    ]


async def fill(endpoint: str) -> None:
    """Put 100,000 keys with values of 100 bytes."""
    async with MetaClient([endpoint]) as client:
        for start in range(0, KEYS, _BATCH):
            keys = (f"__fd_bench/{number:08}" for number in range(start, start + _BATCH))
            puts = [pb.TxnOp(put=pb.TxnPutRequest(key=key, value=b"v" * 100)) for key in keys]
            await client.transaction(pb.TxnRequest(if_then=puts))


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True)
    return int(shown.stdout) * 1024 / 1e6


def first_byte_delay(admin: str, seconds: float = 2.0) -> float:
    """Seconds from the end of the time asked for to the first byte; the profiler's start counts as delay."""
    started = time.perf_counter()
    url = f"http://{admin}/debug/pprof/profile?seconds={seconds}&format=svg"
    with httpx.Client(trust_env=False, timeout=seconds + 60) as client, client.stream("GET", url) as response:
        response.raise_for_status()
        next(response.iter_raw())
        return time.perf_counter() - started - seconds
