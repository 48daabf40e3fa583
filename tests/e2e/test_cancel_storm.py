"""Profiles whose clients go at any moment: the service goes on, and nothing of them is left."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient
from tests.e2e.conftest import children_of, processes
from tests.polling import until, until_async

pytestmark = pytest.mark.anyio

_log = logging.getLogger(__name__)

_SEED = 20
_WRITERS = 8
_LONGEST = 0.4  # seconds after which a client goes, at the latest; setting up and tearing down fall within
_ROUTES = (
    "profile?seconds=30",
    "profile?seconds=30&mode=wall",
    "profile?seconds=30&native=true",
    "profile?seconds=30&engine=inprocess",
    "profile?seconds=0.1&format=pprof",
    "heap?seconds=30",
    "heap?seconds=0.1&small_objects=true",
    "trace?seconds=30",
)


@pytest.mark.parametrize(
    "requests", [60, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
async def test_nothing_is_left_of_cancelled_profiles(node: NodeProcess, scratch: Path, requests: int) -> None:
    base, moments = f"http://{node.admin}", random.Random(_SEED)
    files, children, threads = left_in(scratch), children_of(node.pid), len(states_of(node.pid))
    ended: Counter[str] = Counter()
    async with writing(node.grpc) as written, httpx.AsyncClient(base_url=base, timeout=60) as http:
        while ended.total() < requests:
            outcome = await given_up(http, moments.choice(_ROUTES), moments.uniform(0, _LONGEST))
            if outcome != "busy":
                ended[outcome] += 1
            assert "T" not in states_of(node.pid).values()
        before = written["puts"]
        await until_async(lambda: written["puts"] > before + 100)
        whole = await until_free(http)
    _log.info("%d profile requests: %s; %d puts, none failed", requests, dict(ended), written["puts"])
    assert set(ended) <= {"cancelled", "answered"}
    assert ended["cancelled"] > requests / 2
    assert "put" in whole
    until(lambda: children_of(node.pid) == children)
    assert not [one for one in processes() if f"--pid {node.pid} " in one.command]
    assert left_in(scratch) == files
    assert not left_in(node.directory / "raft", "**/scratch*")
    until(lambda: not {"t", "T"} & set(states_of(node.pid).values()))
    assert tracer_of(node.pid) == 0
    # The pools of threads grow with use, and not with every profile.
    assert len(states_of(node.pid)) <= threads + 16


async def given_up(http: httpx.AsyncClient, route: str, after: float) -> str:
    """How a request ended whose client goes ``after`` seconds."""
    try:
        async with asyncio.timeout(after):
            response = await http.get(f"/debug/pprof/{route}")
    except TimeoutError:
        return "cancelled"
    match response.status_code:
        case 200:
            return "answered"
        case 409:  # the one before has not been taken down yet
            return "busy"
    return f"{response.status_code} {response.text}"


async def until_free(http: httpx.AsyncClient) -> str:
    """The stacks of a whole profile, as soon as one is taken; the last cancelled one ends at once."""
    for _ in range(100):
        response = await http.get("/debug/pprof/profile?seconds=1&format=folded")
        if response.status_code != 409:
            break
        await asyncio.sleep(0.05)
    assert response.status_code == 200, response.text
    return response.text


@asynccontextmanager
async def writing(endpoint: str) -> AsyncIterator[Counter[str]]:
    """Puts by several writers meanwhile; one that fails ends the test."""
    written: Counter[str] = Counter()

    async def write(client: MetaClient, writer: int) -> None:
        while True:
            await client.put(f"storm/{writer}/{written['puts'] % 100}", b"value")
            written["puts"] += 1

    async with MetaClient([endpoint], attempts=1) as client:
        tasks = [asyncio.create_task(write(client, number)) for number in range(_WRITERS)]
        try:
            yield written
            assert not [task for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


def states_of(pid: int) -> dict[str, str]:
    """The state of each thread, by its id; T is stopped, and t held by a tracer."""
    states = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            states[task.name] = (task / "stat").read_text().rpartition(")")[2].split()[0]
    return states


def left_in(directory: Path, pattern: str = "*") -> set[Path]:
    return set(directory.glob(pattern))


def tracer_of(pid: int) -> int:
    [line] = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("TracerPid")
    ]
    return int(line.split()[1])
