"""The audit log: a line for each request that acts, none for one that reads, and nothing secret in it."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.keyed import TOKENS, bearer, keyed
from tests.admin.served import Served

pytestmark = pytest.mark.anyio


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Served]:
    async with keyed(tmp_path) as served:
        yield served


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    lines = [record.message for record in caplog.records if record.name == "diag.audit"]
    pairs = [re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line) for line in lines]
    return [{name: json.loads(value) for name, value in found} for found in pairs]


async def test_what_reads_leaves_no_line(closed: Served, caplog: pytest.LogCaptureFixture) -> None:
    await closed.http.get("/debug/profiles", headers=bearer(TOKENS["admin"]))
    await closed.http.get("/livez")
    await closed.http.get("/nothing")
    assert audited(caplog) == []


async def test_who_acts_is_told_with_what_became_of_it(
    closed: Served, caplog: pytest.LogCaptureFixture
) -> None:
    await closed.http.get("/v1/ctrl/trigger_snapshot?wait=10", headers=bearer(TOKENS["admin"]))
    await closed.http.delete("/debug/profiles/x", headers=bearer(TOKENS["read"]))
    await closed.http.get("/debug/pprof/threads", headers=bearer("mdt_wrong"))
    done, refused, unknown = audited(caplog)
    seconds = done.pop("seconds")
    assert isinstance(seconds, float)
    assert done == {
        "method": "GET",
        "path": "/v1/ctrl/trigger_snapshot?wait=10",
        "caller": "adminer",
        "role": "admin",
        "how": "token",
        "address": "127.0.0.1",
        "status": 200,
    }
    assert (refused["caller"], refused["role"], refused["status"]) == ("reader", "read", 403)
    assert (unknown["caller"], unknown["role"], unknown["status"]) == ("anonymous", None, 401)


async def test_no_token_and_no_cookie_gets_into_the_log(
    closed: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for token in (*TOKENS.values(), "mdt_wrong"):
        await closed.http.get("/debug/pprof/threads", headers=bearer(token))
        login = await closed.http.post("/login", json={"token": token})
        cookies = list(login.cookies.values())
        await closed.http.get("/debug/pprof/threads")
        ours = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
        assert not [secret for secret in (token, *cookies) if any(secret in line for line in ours)]


async def test_a_name_of_several_lines_is_one(closed: Served, caplog: pytest.LogCaptureFixture) -> None:
    path = '/debug/profiles/x%0AWARNING%20forged%0D%22%20caller="root'
    await closed.http.delete(path, headers=bearer(TOKENS["admin"]))
    (line,) = [record.message for record in caplog.records if record.name == "diag.audit"]
    assert len(line.splitlines()) == 1
    (told,) = audited(caplog)
    assert told["caller"] == "adminer"
    assert told["path"] == '/debug/profiles/x\nWARNING forged\r" caller="root'
