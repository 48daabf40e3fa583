"""Taking, finding, seeing and comparing profiles, as a client without a script sees it."""

import re
from html import unescape
from pathlib import Path

import httpx
import pytest

from diag.profilers.shelf import PROFILES_DIR
from tests.admin.keyed import TOKENS, bearer, keyed
from tests.admin.members import Cluster
from tests.admin.served import Served

pytestmark = pytest.mark.anyio

STACKS = b"main;serve;put;fsync 30\nmain;serve;get 40\nmain;loop 12\n"


async def bring(node: Served, name: str, stacks: bytes = STACKS) -> str:
    response = await node.http.post("/debug/profiles", params={"name": name}, content=stacks)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def page(served: Served, path: str, /, **params: str) -> str:
    response = await served.http.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.text


def listed(content: str) -> list[str]:
    """The names in the table."""
    return re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', content)


async def test_without_any_profile_the_pages_say_so(node: Served) -> None:
    assert "None is kept yet" in await page(node, "/ui/profiles")
    assert "None is kept yet" in await page(node, "/ui/profile")
    missing = await node.http.get("/ui/profiles/nothing")
    assert (missing.status_code, "nothing" in missing.text) == (404, True)


async def test_profiles_of_all_nodes_are_listed_and_found(cluster: Cluster) -> None:
    await bring(cluster.first, "before-upgrade")
    await bring(cluster.nodes[2], "after-upgrade")
    assert listed(await page(cluster.first, "/ui/profiles")) == ["after-upgrade", "before-upgrade"]
    assert listed(await page(cluster.first, "/ui/profiles", q="BEFORE")) == ["before-upgrade"]
    assert listed(await page(cluster.first, "/ui/profiles", kind="heap")) == []
    assert "Nothing is found." in await page(cluster.first, "/ui/profiles", q="<x>")
    cluster.peers.down.add(2)
    content = await page(cluster.first, "/ui/profiles")
    assert listed(content) == ["before-upgrade"]
    assert "Node 2: Node 2 is not reachable." in content


async def test_links_of_a_profile_lead_to_it_in_every_format(cluster: Cluster) -> None:
    id_ = await bring(cluster.nodes[2], "theirs")
    content = await page(cluster.first, f"/ui/profiles/{id_}", node="2")
    links = [unescape(link) for link in re.findall(r'(?:src|href)="(/debug/profiles/[^"]+)"', content)]
    forms = {httpx.URL(link).params["format"] for link in links}
    assert forms == {"svg", "html", "folded", "pprof", "speedscope", "zip"}
    for link in links:
        response = await cluster.first.http.get(link)
        assert response.status_code == 200, link
        assert response.headers["x-profile-id"] == id_
    assert "script-src" in (await cluster.first.http.get(links[0])).headers["content-security-policy"]


async def test_two_profiles_of_different_nodes_compared(cluster: Cluster) -> None:
    await bring(cluster.first, "before", STACKS)
    await bring(cluster.nodes[2], "after", STACKS.replace(b"30", b"300"))
    content = await page(cluster.first, "/ui/diff", base="before@1", new="after@2")
    assert "after@2 compared to before@1" in content
    assert "fsync" in content
    (picture,) = re.findall(r'<iframe[^>]* src="([^"]+)"', content)
    response = await cluster.first.http.get(unescape(picture))
    assert response.headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"base": "a", "new": ""}, 400),
        ({"base": "a", "new": "b"}, 404),
        ({"base": "a@9", "new": "b"}, 404),
        ({"base": "../../etc/passwd", "new": "b"}, 400),
        ({"base": "<script>", "new": "b"}, 400),
        ({"base": "a", "new": "b", "format": "svg"}, 400),
    ],
)
async def test_what_cannot_be_compared_is_told(node: Served, params: dict[str, str], status: int) -> None:
    response = await node.http.get("/ui/diff", params=params)
    assert response.status_code == status
    assert "<script>" not in response.text


@pytest.mark.parametrize("key", ["..%2f..%2fetc", "<b>", "a b", "x" * 200, "%00"])
async def test_keys_that_are_none_are_told(node: Served, key: str) -> None:
    response = await node.http.get(f"/ui/profiles/{key}")
    assert response.status_code in {400, 404}
    assert "<b>" not in response.text


async def test_a_profile_on_its_way_and_a_damaged_one(node: Served, tmp_path: Path) -> None:
    started = await node.http.post("/debug/profiles?kind=cpu&engine=inprocess&seconds=300&name=long")
    id_ = started.json()["id"]
    content = await page(node, f"/ui/profiles/{id_}")
    assert re.search(r'<progress[^>]*max="300.0"', content)
    assert "<iframe" not in content
    cancelled = await node.http.post(f"/debug/profiles/{id_}/cancel")
    assert cancelled.json() == {"cancelled": id_}
    assert node.lock.holder() is None
    damaged = await bring(node, "damaged")
    (file,) = [path for path in (tmp_path / PROFILES_DIR).iterdir() if damaged in path.name]
    file.write_bytes(b"\0" * 100)
    content = await page(node, "/ui/profiles")
    assert listed(content) == [damaged]
    assert 'type="radio"' not in content
    content = await page(node, f"/ui/profiles/{damaged}")
    assert f"The kept profile {file.name} is damaged" in content
    assert 'data-act="DELETE"' in content
    assert "Rename" not in content
    assert "<iframe" not in content
    (at,) = re.findall(r'data-act="DELETE" data-to="([^"]+)"', content)
    assert (await node.http.delete(at)).json() == {"deleted": damaged}
    assert listed(await page(node, "/ui/profiles")) == []


async def test_a_profile_of_a_silent_node_is_not_looked_for_twice(cluster: Cluster) -> None:
    cluster.peers.frozen = {3}
    response = await cluster.first.http.get("/ui/profiles/x?node=3")
    assert (response.status_code, "has not answered within 2 s" in response.text) == (504, True)
    paths = [question.path for _, question in cluster.peers.asked]
    assert sorted(paths) == ["/debug/profiles/x?format=json", "/livez"]


async def test_what_a_reader_may_not_do_is_not_offered(tmp_path: Path) -> None:
    async with keyed(tmp_path) as node:
        id_ = (
            await node.http.post("/debug/profiles", content=STACKS, headers=bearer(TOKENS["admin"]))
        ).json()["id"]
        offers = {}
        for role in ("read", "profile", "admin"):
            contents = [
                (await node.http.get(path, headers=bearer(TOKENS[role]))).text
                for path in ("/", "/ui/profile", f"/ui/profiles/{id_}")
            ]
            offers[role] = [
                "Take a snapshot" in contents[0],
                "data-take" in contents[1],
                "data-rename" in contents[2],
                "Delete" in contents[2],
            ]
        assert offers == {
            "read": [False, False, False, False],
            "profile": [False, True, True, False],
            "admin": [True, True, True, True],
        }
        for path in ("/ui/threads", "/ui/hot?interval=100ms"):
            refused = await node.http.get(path, headers=bearer(TOKENS["read"]))
            assert (refused.status_code, "needs the role profile" in refused.text) == (403, True)
