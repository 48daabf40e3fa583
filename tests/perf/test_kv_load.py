"""The KV load and what it tells of itself."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from diag.errors import Unavailable
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess, free_ports
from diag.rpc.client import MetaClient
from tests.polling import until


async def count(endpoint: str, prefix: str) -> int:
    async with MetaClient([endpoint]) as client:
        return len([key async for key, _ in client.list(prefix)])


def test_no_service_is_a_sentence(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unavailable, match="The KV load does not run"), KvLoad(tmp_path, f"127.0.0.1:{port}"):
        pass


@pytest.mark.parametrize("api", [(), ("--http",)])
def test_its_process_says_in_a_line_why_it_ends(api: Sequence[str]) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "diag.perf.kv_load_child", "--endpoint", f"127.0.0.1:{port}", *api]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"The load on 127.0.0.1:{port} ends: ")


def test_it_works_until_it_is_left(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node:
        with KvLoad(tmp_path, node.grpc, in_flight=3) as load:
            since = time.monotonic()
            until(lambda: load.done > 200)
            assert load.rate(since, time.monotonic()) > 0
        done = load.done
        for worker in range(3):
            assert asyncio.run(count(node.grpc, f"__load/{worker}/")) > 0
        assert asyncio.run(count(node.grpc, "__load/3/")) == 0
        assert load.done == done


def test_a_dead_node_ends_it(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node, KvLoad(tmp_path, node.grpc, in_flight=2) as load:
        load.check()
        node.kill()

        def told() -> bool:
            try:
                load.check()
            except Unavailable:
                return True
            return False

        until(told, seconds=30)
        node.start()


def test_a_load_goes_on_after_a_pause(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node, KvLoad(tmp_path, node.grpc, in_flight=2) as load:
        load.go_on()
        for _ in range(2):
            load.pause()
            done = load.done
            load.go_on()
            until(lambda done=done: load.done > done)  # type: ignore[misc]
