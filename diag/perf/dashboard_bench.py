"""How soon the dashboard of a node under full load is right and there, and what an open page costs.

A change is dated before it is asked for, or by the file that it left, and the page by what Chromium painted.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import httpx

from diag.errors import EtcdMissing, Unavailable
from diag.perf import cluster
from diag.perf.cluster import Ports
from diag.perf.dashboard_browser import Paint, browser, first_content, first_paint, watched
from diag.perf.figures import Figure
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NO_SNAPSHOTS, NodeProcess, free_ports
from diag.profilers.shelf import PROFILES_DIR
from diag.profilers.threadclock import process_cpu
from diag.replication.etcd_binary import find_etcd
from diag.rpc.client import MetaClient

if TYPE_CHECKING:
    from playwright.async_api import Browser

#: Operations after which the load has put all of its keys, so that the count changes by ours alone.
_SETTLED: Final = 40_000
#: Seconds between two changes: one falls at any moment between two looks of the page.
_APART: Final = (0.3, 1.7)
#: Long enough for its own page to be open before it ends.
_TAKE: Final = {"kind": "cpu", "engine": "inprocess", "seconds": "2"}
_POLL_SECONDS: Final = 0.1
#: Finds the name of the node that leads.
_LEADER: Final = "[data-node]:has([data-leads]:not([hidden])) th a"


def measure(
    directory: Path, *, changes: int = 30, profiles: int = 20, starts: int = 7, seconds: float = 20.0
) -> list[Figure]:
    """Of so many changes, profiles and starts, and of windows of ``seconds`` with a page and without."""
    directory.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_measure(directory, changes, profiles, starts, seconds))


async def _measure(directory: Path, changes: int, profiles: int, starts: int, seconds: float) -> list[Figure]:
    async with browser() as running:
        with _loaded(directory / "changes") as (node, load):
            counts = await _key_counts(running, node, load, changes)
            listed, opened = await _kept_profiles(running, node, profiles)
        cold = [await _after_a_start(running, directory / f"start-{number}") for number in range(starts)]
        with NodeProcess(directory / "idle", NO_SNAPSHOTS) as node:
            (cost,) = await _open_page(running, [node], seconds)
        of_three = await _of_three(running, directory / "cluster", changes, seconds)
    return [
        _delays("a key is in the count on the page", counts),
        _delays("a kept profile is in the list", listed),
        _delays("a profile's page shows it once it is kept", opened),
        _first([each[0] for each in cold], "after a start", [each[2] for each in cold]),
        _first([each[1] for each in cold], "again", [each[2] for each in cold]),
        Figure("an open page: CPU of an idle node", cost, "<=", 0.5, "%", f"turns of {seconds:g} s"),
        *of_three,
    ]


@contextmanager
def _loaded(directory: Path) -> Iterator[tuple[NodeProcess, KvLoad]]:
    with NodeProcess(directory, NO_SNAPSHOTS) as node, KvLoad(directory, node.grpc) as load:
        yield node, load


async def _key_counts(running: "Browser", node: NodeProcess, load: KvLoad, changes: int) -> list[float]:
    """Seconds from before a key is put to the count that has it, painted."""
    while load.done < _SETTLED:
        load.check()
        await asyncio.sleep(_POLL_SECONDS)
    delays = []
    async with (
        _http(node) as http,
        watched(running, f"http://{node.admin}/", "[data-node] [data-cell=keys]") as page,
        MetaClient([node.grpc]) as client,
    ):
        count = int((await _status(http))["key_count"])
        await page.shows(f"{count:,}".__eq__, f"{count:,} keys")
        for number in range(1, changes + 1):
            await asyncio.sleep(random.uniform(*_APART))
            began, wanted = time.time(), f"{count + number:,}"
            await client.put(f"__dashboard/{number:06}", b"1")
            delays.append(await page.shows(wanted.__eq__, f"{wanted} keys") - began)
    return delays


async def _kept_profiles(
    running: "Browser", node: NodeProcess, profiles: int
) -> tuple[list[float], list[float]]:
    """Seconds from a profile's file to the row in the open list, and to its own page that shows it."""
    listed, opened = [], []
    origin = f"http://{node.admin}"
    async with _http(node) as http, watched(running, f"{origin}/ui/profiles", "table.kept tbody tr") as page:
        for _ in range(profiles):
            await asyncio.sleep(random.uniform(*_APART))
            id_ = str((await _asked(http, "/debug/profiles", "POST", _TAKE))["id"])
            async with watched(running, f"{origin}/ui/profiles/{id_}", "main .state") as own:
                await own.shows("running".__eq__, f"the profile {id_}, running")
                shown = await own.shows("kept".__eq__, f"the profile {id_}, kept")
            kept = (node.directory / "raft" / PROFILES_DIR / f"{id_}.pb.gz").stat().st_mtime
            opened.append(shown - kept)
            listed.append(await page.shows(partial(_is_kept, id_), f"the profile {id_}") - kept)
    return listed, opened


def _is_kept(id_: str, rows: str) -> bool:
    return any(id_ in row and "kept" in row for row in rows.splitlines())


def _http(node: NodeProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{node.admin}", trust_env=False, timeout=60)


async def _asked(
    http: httpx.AsyncClient, path: str, method: str = "GET", params: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The answer's JSON. Unavailable where it is an error."""
    response = await http.request(method, path, params=params)
    if response.is_error:
        raise Unavailable(f"{method} {path}: {response.status_code} {response.text.strip()}")
    told: dict[str, Any] = response.json()
    return told


async def _status(http: httpx.AsyncClient) -> dict[str, Any]:
    return await _asked(http, "/v1/cluster/status")


async def _of_three(running: "Browser", directory: Path, changes: int, seconds: float) -> list[Figure]:
    """Leadership that is handed over, and what a page costs who asks two others; none without etcd."""
    try:
        find_etcd()
    except EtcdMissing:
        return []
    ports = [Ports(*free_ports(3)) for _ in range(3)]
    with cluster.running(directory, ports, "etcd") as nodes:
        with KvLoad(directory, nodes[0].grpc):
            handed = await _handovers(running, nodes, changes)
        own, *others = await _open_page(running, nodes, seconds)
    told = f"turns of {seconds:g} s; those that it asks {max(others):.2f} % at most"
    return [
        _delays("leadership that was handed over is on the page", handed),
        Figure("an open page: CPU of an idle node of three", own, "<=", 0.5, "%", told),
    ]


async def _handovers(running: "Browser", nodes: Sequence[NodeProcess], changes: int) -> list[float]:
    """Seconds from before leadership is handed over to its place on the page."""
    delays = []
    async with (
        _http(nodes[0]) as http,
        watched(running, f"http://{nodes[0].admin}/", _LEADER) as page,
    ):
        await page.shows(str.isdigit, "a leader")
        for _ in range(changes):
            await asyncio.sleep(random.uniform(*_APART))
            leader = int((await _status(http))["leader"]["name"])
            began, to = time.time(), leader % len(nodes) + 1
            await _asked(http, f"/v1/ctrl/trigger_transfer_leader?node={leader}&to={to}")
            delays.append(await page.shows(f"{to}".__eq__, f"node {to} as the leader", since=began) - began)
    return delays


async def _after_a_start(running: "Browser", directory: Path) -> tuple[Paint, Paint, float]:
    """The first page that a fresh node under load is asked for, the next one, and a page of one word."""
    with _loaded(directory) as (node, _):
        address = f"http://{node.admin}/"
        first, again = await first_paint(running, address), await first_paint(running, address)
        return first, again, await first_content(running, f"{address}livez")


async def _open_page(
    running: "Browser", nodes: Sequence[NodeProcess], seconds: float, turns: int = 3
) -> list[float]:
    """Of one processor, in percent, by how much more each node takes while a page of the first is open."""
    without, with_it = [], []
    for _ in range(turns):
        without.append(await _shares(nodes, seconds))
        async with watched(running, f"http://{nodes[0].admin}/", "[data-live]") as page:
            await page.shows(lambda text: text.startswith("Live"), "a live page")
            with_it.append(await _shares(nodes, seconds))
    return [
        100 * (median(more) - median(less))
        for more, less in zip(zip(*with_it, strict=True), zip(*without, strict=True), strict=True)
    ]


async def _shares(nodes: Sequence[NodeProcess], seconds: float) -> list[float]:
    since, before = time.monotonic(), [process_cpu(node.pid) for node in nodes]
    await asyncio.sleep(seconds)
    lasted = time.monotonic() - since
    return [(process_cpu(node.pid) - earlier) / lasted for node, earlier in zip(nodes, before, strict=True)]


def _delays(name: str, delays: Sequence[float]) -> Figure:
    detail = f"worst of {len(delays)}, p50 {median(delays):.2f} s, node under full load"
    return Figure(name, max(delays), "<=", 1.0, "s", detail)


def _first(paints: Sequence[Paint], which: str, words: Sequence[float]) -> Figure:
    nodes, content, first, last = (median(times) for times in zip(*paints, strict=True))
    worst = max(paint.nodes for paint in paints)
    detail = (
        f"median of {len(paints)}, worst {worst:.0f} ms; first content after {content:.0f}, first and last "
    )
    detail += f"byte after {first:.0f} and {last:.0f}; a page of one word takes {median(words):.0f} ms"
    return Figure(f"the nodes of / are painted, {which}", nodes, "<=", 300, "ms", detail)
