"""What is collected of nodes that answer, fail, are silent, and of a collection that is ended early."""

import asyncio
import errno
import io
import os
from typing import Any

import pytest

from diag.bundle.archive import Archive
from diag.bundle.collect import Answer, Ask, Collection
from diag.bundle.items import Plan
from diag.errors import MetaError, NoSpace, NotInTime
from diag.redact import Redactor
from tests.bundle.opened import Opened, opened

pytestmark = pytest.mark.anyio

QUICK = Plan(duration=0.2, interval=0.2)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def collected(ask: Ask, *nodes: int, plan: Plan = QUICK) -> Opened:
    file = io.BytesIO()
    archive = Archive(file, "root", 1 << 24)
    collection = Collection(ask, nodes, plan, archive, Redactor(["known-secret"]))
    await collection.run()
    assert collection.progress > 0.9
    archive.close(collection.about(interrupted=False))
    return opened(file.getvalue())


async def well(node_id: int | None, path: str, within: float) -> Answer:
    headers = {"x-profile-id": "an-id"} if path.startswith("/debug/pprof/profile") else {}
    return Answer(f"{node_id} {path} known-secret".encode(), headers)


async def test_no_node_is_the_cluster_alone() -> None:
    told = await collected(well)
    assert sorted(told.files) == [
        *("doctor-end.json", "doctor-end.txt", "doctor-start.json", "features.json")
    ]


async def test_all_of_each_node_at_each_moment() -> None:
    told = await collected(well, 1, 2)
    for node_id in (1, 2):
        names = {name.removeprefix(f"nodes/{node_id}/") for name in told.files if f"nodes/{node_id}/" in name}
        assert names >= {"status.json", "config.toml", "facts.json", "threads-and-tasks.txt", "log.txt"}
        assert names >= {f"moments/00{moment}/metrics.txt" for moment in (0, 1)}
        assert names >= {"cpu.pb.gz", "cpu.svg", "memory.pb.gz"}
        assert "memory.svg" not in names, "it was not kept"
    assert told.files["nodes/2/cpu.svg"] == b"2 /debug/profiles/an-id?format=svg known-secret"
    assert told.files["nodes/2/log.txt"].endswith(b" ***")
    assert {one["state"] for one in told.index["items"]} == {"ok"}
    assert (told.index["interrupted"], told.index["nodes"], told.index["absent"]) == (False, [1, 2], [])


async def test_without_profiles() -> None:
    told = await collected(well, 1, plan=Plan(0.2, 0.2, profiles=False))
    assert not [name for name in told.files if "cpu" in name or "memory" in name]


async def test_what_fails_is_told_and_the_rest_is_there() -> None:
    async def ask(node_id: int | None, path: str, within: float) -> Answer:
        if "heap" in path or "slow" in path:
            raise MetaError("404 There is nothing at known-secret.")
        return await well(node_id, path, within)

    told = await collected(ask, 1)
    failed = told.entry("memory.pb.gz", 1)
    assert (failed["state"], failed["error"]) == ("failed", "404 There is nothing at ***.")
    assert told.entry("slow.json", 1)["state"] == "skipped"
    assert "nodes/1/cpu.svg" in told.files


async def test_a_silent_node_is_asked_little_and_one_that_comes_back_is_in_it() -> None:
    asked: list[str] = []

    async def ask(node_id: int | None, path: str, within: float) -> Answer:
        asked.append(path)
        if node_id == 2:
            raise NotInTime("no answer within 5 s")
        return await well(node_id, path, within)

    told = await collected(ask, 2)
    assert told.entry("config.toml", 2)["state"] == "skipped"
    assert "no answer within 5 s" in told.entry("config.toml", 2)["error"]
    assert not [path for path in asked if "config" in path]
    assert asked.count("/v1/cluster/status") == 3
    assert "doctor-end.txt" in told.files


async def test_ended_early_it_has_what_was_there_and_says_what_is_not() -> None:
    waiting = asyncio.Event()

    async def ask(node_id: int | None, path: str, within: float) -> Answer:
        if path.startswith("/debug/pprof/profile"):
            waiting.set()
            await asyncio.Event().wait()
        return await well(node_id, path, within)

    file = io.BytesIO()
    archive = Archive(file, "root", 1 << 24)
    collection = Collection(ask, [1], Plan(60, 60), archive, Redactor())
    running = asyncio.create_task(collection.run())
    await waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    archive.close(collection.about(interrupted=True))
    told = opened(file.getvalue())
    assert told.index["interrupted"] is True
    assert told.entry("cpu.pb.gz", 1)["error"] == "the bundle was ended before it came"
    assert "nodes/1/status.json" in told.files


async def test_a_disk_that_is_full_in_the_middle_ends_it_with_a_sentence() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 2000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    async def ask(node_id: int | None, path: str, within: float) -> Answer:
        return Answer(os.urandom(500), {})

    archive = Archive(Full(), "root", 1 << 24)
    collection = Collection(ask, [1, 2], QUICK, archive, Redactor())
    with pytest.raises(NoSpace, match="Free some space"):
        await collection.run()
