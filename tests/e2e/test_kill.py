"""``kill -9`` at the worst moment: what was acknowledged is there, and nothing else is left."""

import asyncio
import os
import signal
import threading
from pathlib import Path

import grpc.aio
import httpx
import pytest

from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient
from tests.e2e.conftest import children_of, processes
from tests.polling import until

_WRITERS = 16
_ROUNDS = 3


class Writers:
    """Puts of new keys, many in flight, and the list of those the node acknowledged."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.acknowledged: dict[str, bytes] = {}
        self._endpoint = endpoint
        self._name = name

    def run_until_cut_off(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        async with MetaClient([self._endpoint], attempts=1) as client:
            await asyncio.gather(*(self._write(client, number) for number in range(_WRITERS)))

    async def _write(self, client: MetaClient, number: int) -> None:
        turn = 0
        while True:
            key, value = f"ack/{self._name}/{number}/{turn}", f"value {turn}".encode()
            try:
                await client.put(key, value)
            except grpc.aio.AioRpcError:
                return
            self.acknowledged[key] = value
            turn += 1


async def read_all(endpoint: str, prefix: str) -> dict[str, bytes]:
    async with MetaClient([endpoint]) as client:
        return {key: record.data async for key, record in client.list(prefix)}


def test_acknowledged_writes_survive(node: NodeProcess) -> None:
    acknowledged: dict[str, bytes] = {}
    for turn in range(_ROUNDS):
        writers = Writers(node.grpc, str(turn))
        thread = threading.Thread(target=writers.run_until_cut_off)
        thread.start()
        until(lambda writers=writers: len(writers.acknowledged) > 300)  # type: ignore[misc]
        node.kill()
        thread.join(timeout=30)
        assert not thread.is_alive()
        acknowledged |= writers.acknowledged
        node.start()
        stored = asyncio.run(read_all(node.grpc, "ack/"))
        assert acknowledged.items() <= stored.items()
        # Beyond the acknowledged ones at most each writer's last put may have come through.
        assert len(stored) - len(acknowledged) <= _WRITERS * (turn + 1)


def test_kills_while_py_spy_samples_leave_nothing_behind(
    node: NodeProcess, tmp_path: Path, scratch: Path
) -> None:
    # Some kills are to hit the node while a sample holds it stopped: sample fast, and kill more than once.
    for _ in range(4):
        killed_in_a_profile(node, tmp_path, scratch, "profile?engine=py-spy&frequency=1000")
        node.start()


@pytest.mark.parametrize(
    "route",
    ["profile?engine=inprocess", "heap?mode=peak", "trace?renderer=flamegraph"],
)
def test_a_kill_in_the_middle_of_a_profile_leaves_nothing_behind(
    node: NodeProcess, tmp_path: Path, scratch: Path, route: str
) -> None:
    killed_in_a_profile(node, tmp_path, scratch, route)
    node.start()
    url = f"http://{node.admin}/debug/pprof/profile?seconds=0.2&engine=inprocess"
    assert httpx.get(url).status_code == 200


def killed_in_a_profile(node: NodeProcess, directory: Path, scratch: Path, route: str) -> None:
    before = set(scratch.iterdir())
    with KvLoad(directory, node.grpc, in_flight=4):
        profile = threading.Thread(target=profile_until_cut_off, args=(node.admin, route))
        profile.start()
        until(lambda: holds_a_profile(node.admin))
        if "engine=py-spy" in route:
            until(lambda: any(f"--pid {node.pid} " in process.command for process in processes()))
        helpers = helpers_of(node.pid)
        try:
            node.kill()
            until(lambda: not helpers & {left.pid for left in processes()})
        finally:
            end_all(helpers)
        profile.join(timeout=30)
        assert not profile.is_alive()
        assert set(scratch.iterdir()) <= before


def helpers_of(pid: int) -> set[int]:
    """What the node started, and what was started to look at it."""
    return {child.pid for child in children_of(pid)} | {
        process.pid for process in processes() if f"--pid {pid} " in process.command
    }


def end_all(pids: set[int]) -> None:
    """So that a failure of the test does not leave to the machine what the node left to the test."""
    for pid in pids & {left.pid for left in processes()}:
        os.kill(pid, signal.SIGKILL)


def profile_until_cut_off(admin: str, route: str) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{admin}/debug/pprof/{route}&seconds=60", timeout=90)


def holds_a_profile(admin: str) -> bool:
    """Whether a profile runs, by the node's own page about itself."""
    page = httpx.get(f"http://{admin}/debug/home", timeout=30).text
    assert "Running profile:" in page
    return "Running profile: none" not in page
