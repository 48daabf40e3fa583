"""Hot, threads and any hour of the past, as a client without a script sees them."""

import re
import time
from html import unescape

import pytest

from diag.admin.dashboard.looks import INTERVALS
from diag.metrics.slow import SlowRequest
from diag.profilers.about import About, Load, new_id
from tests.admin.members import Cluster
from tests.admin.served import Served

pytestmark = pytest.mark.anyio


async def test_nothing_is_looked_at_before_it_is_asked_for(node: Served) -> None:
    response = await node.http.get("/ui/hot")
    assert response.status_code == 200
    assert "<pre" not in response.text


async def test_what_is_hot_on_another_node(cluster: Cluster) -> None:
    response = await cluster.first.http.get("/ui/hot", params={"interval": "100ms", "node": "2"})
    assert response.status_code == 200
    assert re.search(r"<pre[^>]*>Node 2: [0-9]+ % of a core", response.text)
    wrong = await cluster.first.http.get("/ui/hot", params={"interval": "<b>"})
    assert (wrong.status_code, "&lt;b&gt;" in wrong.text) == (400, True)


async def test_a_busy_profiler_is_told(node: Served) -> None:
    with node.lock.hold("a <profile>", 30):
        response = await node.http.get("/ui/hot?interval=100ms")
    assert (response.status_code, "a &lt;profile&gt;" in response.text) == (409, True)


async def test_threads_and_tasks_and_what_they_wait_in(node: Served) -> None:
    content = (await node.http.get("/ui/threads")).text
    assert "MainThread" in content
    assert "loop lag" in content
    assert "diag/metrics/lag.py" in content
    found = (await node.http.get("/ui/threads", params={"q": "LAG.PY"})).text
    assert found.count("<details>") == 1
    none = (await node.http.get("/ui/threads", params={"q": "no such <frame>"})).text
    assert none.count("None is found.") == 2


async def test_threads_of_a_node_that_is_gone(cluster: Cluster) -> None:
    cluster.peers.down.add(2)
    response = await cluster.first.http.get("/ui/threads?node=2")
    assert (response.status_code, "Node 2 is not reachable." in response.text) == (503, True)


async def test_the_doctor_s_findings(cluster: Cluster) -> None:
    content = (await cluster.first.http.get("/ui/doctor")).text
    assert "checks of nodes 1, 2, 3" in content
    cluster.peers.down.add(3)
    content = (await cluster.first.http.get("/ui/doctor")).text
    assert "no answer from node 3" in content
    assert "Next: <code>" in content


async def test_the_doctor_s_page_is_there_before_the_nodes_have_answered(cluster: Cluster) -> None:
    cluster.peers.frozen.add(3)
    async with cluster.first.http.stream("GET", "/ui/doctor") as response:
        parts = response.aiter_text()
        begun = await anext(parts)
        assert "All nodes are asked" in begun
        assert "no answer from" not in begun
        rest = "".join([part async for part in parts])
    assert "no answer from node 3" in rest
    assert rest.rstrip().endswith("</html>")


async def test_what_fails_once_the_page_has_begun_is_told_in_it(
    node: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> None:
        raise RuntimeError("<lost>")

    monkeypatch.setattr(node.course, "growth", lost)
    response = await node.http.get("/ui/doctor")
    assert response.status_code == 200, "it went out before"
    assert re.search(r'<p class="note bad">RuntimeError inside the node; its log has .*</p>', response.text)
    assert response.text.rstrip().endswith("</html>")


def slow_request(key: str, at: float = 0.0) -> SlowRequest:
    stages = {"queue": 0.2, "fsync": 0.3, "reply": 0.0261234}
    return SlowRequest(at, "Transaction", key, 0.5261234, stages, "night-1", 1234, None)


async def test_without_slow_requests_the_page_says_so(node: Served) -> None:
    content = (await node.http.get("/ui/slow")).text
    assert "There are none." in content
    assert "0 requests of all nodes took 100 ms or more" in content


async def test_slow_requests_of_all_nodes_with_their_stages(cluster: Cluster) -> None:
    cluster.first.slow.note(slow_request("<script>alert(1)</script>"))
    cluster.nodes[2].slow.note(slow_request("table/2", at=60.0))
    content = (await cluster.first.http.get("/ui/slow")).text
    assert re.findall(r"1970-01-01 00:0\d:00", content) == ["1970-01-01 00:01:00", "1970-01-01 00:00:00"]
    assert re.findall(r"<td><b>([^<]+)</b>", content) == ["526 ms", "526 ms"]
    assert [stage in content for stage in ("queue", "fsync", "reply", "200 ms", "300 ms", "26.1 ms")] == [
        True
    ] * 6
    assert "&lt;script&gt;" in content
    assert "<script>alert" not in content
    found = (await cluster.first.http.get("/ui/slow", params={"q": "TABLE/2"})).text
    assert found.count("night-1") == 1
    assert "Nothing is found." in (await cluster.first.http.get("/ui/slow", params={"q": "no such"})).text


async def test_intervals_without_any_window(node: Served) -> None:
    content = (await node.http.get("/ui/ranges")).text
    links = [unescape(link) for link in re.findall(r'href="(/ui/ranges\?[^"]+)"', content)]
    assert len(links) == len(INTERVALS)
    for link in links:
        response = await node.http.get(link)
        assert (response.status_code, "There are no windows" in response.text) == (404, True)


async def test_an_interval_with_a_window(node: Served) -> None:
    when = time.time() - 120
    about = About(
        id=new_id(when),
        name=None,
        kind="cpu",
        unit="samples",
        engine="inprocess",
        mode="cpu",
        when=when,
        seconds=60.0,
        samples=19,
        errors=0,
        rate_asked=19.0,
        rate=19.0,
        pause_share=None,
        notes=(),
        node_id=1,
        nodes=(1,),
        version="0.1.0",
        load=Load(),
        labels=(),
        trigger=None,
    )
    node.windows.add(about, b"main;work 19\n")
    content = (await node.http.get("/ui/ranges", params={"from": "-5m", "by": "stack"})).text
    assert "1 windows with 19 samples over 60.0 s" in content
    (picture,) = re.findall(r'<iframe[^>]* src="([^"]+)"', content)
    response = await node.http.get(unescape(picture))
    assert response.headers["content-type"] == "image/svg+xml"
    wrong = await node.http.get("/ui/ranges", params={"from": "tomorrow"})
    assert (wrong.status_code, "from is &#39;tomorrow&#39;" in wrong.text) == (400, True)
