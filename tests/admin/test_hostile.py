"""Names and paths that mean harm: no other file is touched, no answer is a 5xx, and text stays text."""

import re
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from diag.metrics.slow import SlowRequest
from diag.profilers.shelf import PROFILES_DIR
from tests.admin.served import Served

pytestmark = pytest.mark.anyio

KEYS = [
    "../../../../etc/passwd",
    "..",
    "....//....//etc/passwd",
    "..\\..\\windows",
    "/etc/passwd",
    "C:\\x",
    "a\x00b",
    "a\r\nSet-Cookie: x=1",
    "x" * 10_000,
    "\u202egpj.exe",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "%2e%2e%2f",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "-rf",
]
MARKUP = "<script>alert(1)</script>&\"'><svg onload=alert(2)>"


def everything(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if "store" not in path.parts}


@pytest.mark.parametrize("key", KEYS, ids=[ascii(key)[:24] for key in KEYS])
async def test_a_key_that_is_none_reaches_no_file(node: Served, tmp_path: Path, key: str) -> None:
    before = everything(tmp_path)
    for named in (quote(key, safe=""), quote(key)):
        paths = [
            ("GET", f"/debug/profiles/{named}"),
            ("DELETE", f"/debug/profiles/{named}"),
            ("POST", f"/debug/profiles/{named}?name=fine"),
            ("GET", f"/debug/profiles/{named}/diff/{named}"),
            ("GET", f"/debug/profiles/{named}@1/diff/{named}@2"),
        ]
        for method, path in paths:
            response = await node.http.request(method, path)
            assert response.status_code in {303, 400, 401, 403, 404, 405}, (method, path, response.text)
            assert "root:" not in response.text
            assert "set-cookie" not in response.headers
    for query in ("name", "kind", "format", "node"):
        response = await node.http.get("/debug/profiles", params={query: key})
        assert response.status_code in {400, 404}, query
    brought = await node.http.post("/debug/profiles", params={"name": key}, content=b"a 1\n")
    assert brought.status_code == 400
    after = {path for path in everything(tmp_path) if path.parent.name != PROFILES_DIR}
    assert after <= before | {tmp_path / PROFILES_DIR}


async def test_function_names_stay_text_in_every_picture(node: Served) -> None:
    stacks = f"main;{MARKUP} 5\nmain;]]>{MARKUP} 3\n".encode()
    told = await node.http.post("/debug/profiles?name=theirs", content=stacks)
    assert told.status_code == 201
    svg = await node.http.get("/debug/profiles/theirs?format=svg")
    root = ET.fromstring(svg.content)
    assert not [one for one in root.iter() if any(name.lower().startswith("on") for name in one.attrib)]
    scripts = [one for one in root.iter() if one.tag.endswith("script")]
    data = [one for one in scripts if one.get("type") == "application/json"]
    assert len(scripts) - len(data) == 1, "the viewer's own alone"
    page = await node.http.get("/debug/profiles/theirs?format=html")
    assert "<script>alert(1)" not in page.text
    assert not re.search(r"<svg onload", page.text)


async def test_a_key_of_a_slow_request_stays_text(node: Served) -> None:
    node.slow.note(SlowRequest(0.0, "KvApi", f"{MARKUP}\r\n\x1b[2J", 1.0, {}, None, 1, None))
    response = await node.http.get("/debug/slow")
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "\x1b" not in response.text
    assert len(response.text.splitlines()) == 2
