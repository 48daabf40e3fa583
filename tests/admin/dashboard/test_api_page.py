import re
from html import unescape

import httpx
import pytest

from tests.admin.served import Served

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/debug/home", "/debug/pprof/", "/debug/pprof"])
async def test_the_page_tells_the_node_s_state(node: Served, path: str) -> None:
    await node.put("a", b"1")
    response = await node.http.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "Leader in term" in response.text
    assert "last seq 1, 1 keys" in response.text
    assert "Running profile: none" in response.text


async def test_it_says_who_holds_the_profiler(node: Served) -> None:
    with node.lock.hold("CPU profile for <someone>", 30):
        response = await node.http.get("/debug/home")
    assert "CPU profile for &lt;someone&gt;" in response.text


async def test_every_link_works(node: Served) -> None:
    page = (await node.http.get("/debug/home")).text
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', page)]
    assert len(links) > 15
    for link in links:
        url = httpx.URL(link)
        if "seconds" in url.params:
            url = url.copy_set_param("seconds", "0.2")
        response = await node.http.get(url)
        assert response.status_code == 200, f"{link}: {response.status_code} {response.text[:300]}"


async def test_an_unknown_parameter_is_refused(node: Served) -> None:
    response = await node.http.get("/debug/home?seconds=5")
    assert response.status_code == 400
    assert "this route takes none" in response.text
