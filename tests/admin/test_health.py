import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from diag.admin import errors, health
from diag.admin.checks import MAX_APPLY_LAG, Check, node_checks
from diag.errors import Damaged
from diag.metrics.lag import LoopLag
from diag.replication import ClusterStatus
from tests.admin.served import Served
from tests.metrics.conftest import StillLog


def probe(*checks: Check) -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.include_router(health.router(checks))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node")


async def good() -> None:
    """All is well."""


async def bad() -> str:
    return "the reason"


GOOD = Check("good", good)
BAD = Check("bad", bad)


@pytest.mark.anyio
async def test_without_checks_a_node_is_ready() -> None:
    async with probe() as http:
        response = await http.get("/readyz")
    assert (response.status_code, response.text) == (200, "ok\n")


@pytest.mark.anyio
async def test_health_is_byte_for_byte_upstream_s() -> None:
    async with probe(BAD) as http:
        response = await http.get("/v1/health")
        assert response.content == b'{"status":"pass"}'
        assert (await http.get("/livez")).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/v1/health", "/livez"])
async def test_what_a_probe_adds_restarts_no_process(path: str) -> None:
    async with probe() as http:
        assert (await http.get(f"{path}?bogus=1")).status_code == 200
        assert (await http.get("/readyz?bogus=1")).status_code == 400


@pytest.mark.anyio
async def test_a_failed_check_is_503_and_says_which_and_why() -> None:
    async with probe(GOOD, BAD) as http:
        response = await http.get("/readyz")
        assert response.status_code == 503
        assert response.text == "[-]bad failed: the reason\nnot ready: 1 of 2 checks failed\n"
        verbose = await http.get("/readyz?verbose")
        assert verbose.status_code == 503
        assert verbose.text.startswith("[+]good ok\n[-]bad failed")


@pytest.mark.anyio
async def test_an_excluded_check_does_not_count() -> None:
    async with probe(GOOD, BAD) as http:
        assert (await http.get("/readyz?exclude=bad")).status_code == 200
        both = await http.get("/readyz?verbose&exclude=bad&exclude=good")
        assert both.text == "[+]good excluded\n[+]bad excluded\nready\n"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("exclude=bda", "did you mean 'bad'?"),
        ("exclude=", "There is no check ''"),
        ("verbos", "did you mean 'verbose'?"),
        ("verbose=maybe", "must be true or false"),
    ],
)
async def test_a_bad_probe_is_400(query: str, says: str) -> None:
    async with probe(GOOD, BAD) as http:
        response = await http.get(f"/readyz?{query}")
    assert response.status_code == 400
    assert says in response.text


@pytest.mark.anyio
async def test_a_real_node_is_ready(node: Served) -> None:
    await node.put("a", b"1")
    response = await node.http.get("/readyz?verbose")
    assert response.status_code == 200, response.text
    for name in (
        *("store_readable", "has_leader", "linearizable_read", "apply_lag"),
        *("write_path", "disk_space", "loop_lag"),
    ):
        assert f"[+]{name} ok" in response.text


@pytest.mark.anyio
async def test_checks_of_a_broken_node_name_their_reasons(tmp_path: Path) -> None:
    def unreadable() -> object:
        raise Damaged("The store is damaged.")

    log = StillLog()
    log.state = "Candidate"
    checks = node_checks(log, LoopLag(), tmp_path / "absent", unreadable)
    found = {check.name: reason for check in checks if (reason := await check.run()) is not None}
    assert found["store_readable"] == "The store is damaged."
    assert "Candidate" in found["has_leader"]
    assert "absent" in found["disk_space"]
    assert set(found) == {"store_readable", "has_leader", "disk_space"}


class FrozenLog(StillLog):
    """A log that agrees on no read, and whose applied entries are behind."""

    behind = 0

    async def read_index(self) -> int:
        await asyncio.Event().wait()
        raise AssertionError("never")

    def status(self) -> ClusterStatus:
        still = super().status()
        return replace(still, last_log_index=still.last_applied.index + self.behind)


async def reason(log: StillLog, name: str, directory: Path) -> str | None:
    checks = node_checks(log, LoopLag(), directory, lambda: None, read_patience=0.05)
    (check,) = (check for check in checks if check.name == name)
    return await check.run()


@pytest.mark.anyio
async def test_a_cluster_that_agrees_on_no_read_is_told_in_time(tmp_path: Path) -> None:
    assert await reason(StillLog(), "linearizable_read", tmp_path) is None
    said = await reason(FrozenLog(), "linearizable_read", tmp_path)
    assert said == "the cluster did not agree on a read within 0.05 s"


@pytest.mark.anyio
async def test_a_follower_may_be_behind_so_far_and_no_further(tmp_path: Path) -> None:
    log = FrozenLog()
    for behind, fails in ((0, False), (MAX_APPLY_LAG, False), (MAX_APPLY_LAG + 1, True)):
        log.behind = behind
        said = await reason(log, "apply_lag", tmp_path)
        assert (said is not None) is fails
    assert said is not None
    assert said.startswith(f"{MAX_APPLY_LAG + 1} entries of the log are not applied yet")


@pytest.mark.anyio
async def test_frozen_checks_end_together_and_the_others_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async def frozen() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.1)
    async with probe(Check("one", frozen), GOOD, Check("two", frozen)) as http:
        response = await asyncio.wait_for(http.get("/readyz?verbose"), 5)
    assert response.text == (
        "[-]one failed: it gave no result within 0.1 s\n[+]good ok\n"
        "[-]two failed: it gave no result within 0.1 s\nnot ready: 2 of 3 checks failed\n"
    )
