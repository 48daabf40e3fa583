"""A profile of a node under gRPC load says which requests took its time, by what their clients call them."""

import asyncio
import io
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import pytest

import flamegraph
from diag.logs.request_id import HEADER
from diag.perf.node_process import NodeProcess
from diag.rpc.stubs import meta_pb2 as pb
from tests.rpc.harness import RawClient, put_op

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def calling(endpoint: str, *ids: str) -> None:
    """Writes, again and again, as requests of these ids, each large enough to be seen by a sampler."""
    async with grpc.aio.insecure_channel(endpoint) as channel:
        client = RawClient(channel)
        await client.login()
        while True:
            for id_ in ids:
                request = pb.TxnRequest(if_then=[put_op(f"{id_}/{key}") for key in range(500)])
                await client.stub.Transaction(request, metadata=(*client.token, (HEADER, id_)))


async def pprof(node: NodeProcess) -> flamegraph.Profile:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        url = f"http://{node.admin}/debug/pprof/profile?seconds=1&format=pprof"
        taken = (await http.get(url)).raise_for_status()
    return flamegraph.read(io.BytesIO(taken.content), format="pprof", labels=("request", "request_id"))


def callers(profile: flamegraph.Profile, name: str) -> set[str]:
    """What stands above each frame of this name."""
    nodes = [node for node in range(1, len(profile)) if profile.text(node) == name]
    return {profile.text(profile.parent[node]) for node in nodes}


@pytest.mark.parametrize("transport", ["nghttp2", "grpcio"])
async def test_pprof_has_the_ids_of_calls_as_labels(tmp_path: Path, transport: str) -> None:
    with NodeProcess(tmp_path / "node", ("--grpc-transport", transport)) as node:
        load = asyncio.create_task(calling(node.grpc, "night-shift", "day-shift"))
        profile = await pprof(node)
        load.cancel()
        with suppress(asyncio.CancelledError):
            await load
    for id_ in ("night-shift", "day-shift"):
        assert callers(profile, f"request_id: {id_}") == {"request: /meta.MetaService/Transaction"}
