import pytest

from diag.admin.vitals import points_of, told
from diag.metrics.history import Point
from tests.admin.members import Cluster
from tests.admin.served import Served

pytestmark = pytest.mark.anyio


async def test_before_the_first_step_there_are_no_figures(node: Served) -> None:
    vitals = (await node.http.get("/debug/vitals")).json()
    assert vitals["figures"] is None
    assert vitals["status"] == (await node.http.get("/v1/cluster/status")).json()
    history = (await node.http.get("/debug/history")).json()
    assert history == {"step": 10.0, "points": {name: [] for name in Point._fields}}


async def test_figures_are_those_of_the_last_step(node: Served) -> None:
    node.metrics.request_started()
    node.metrics.request_finished("read", 0.25, ok=True)
    node.history.look()
    figures = (await node.http.get("/debug/vitals")).json()["figures"]
    assert figures["p99"] == 0.25
    assert figures["rate"] > 0
    history = (await node.http.get("/debug/history")).json()
    assert history["points"]["p99"] == [0.25]


async def test_profiles_are_another_word_when_their_list_has_changed(node: Served) -> None:
    async def word() -> str:
        return str((await node.http.get("/debug/vitals")).json()["profiles"])

    words = [await word()]
    assert await word() == words[0]
    await node.http.post("/debug/profiles", params={"name": "a"}, content=b"main;put 3\n")
    words.append(await word())
    started = await node.http.post(
        "/debug/profiles", params={"kind": "cpu", "engine": "inprocess", "seconds": "60"}
    )
    words.append(await word())
    await node.http.post(f"/debug/profiles/{started.json()['id']}/cancel")
    words.append(await word())
    assert len(set(words)) == 4


async def test_another_node_tells_its_own(cluster: Cluster) -> None:
    cluster.nodes[2].history.look()
    vitals = (await cluster.first.http.get("/debug/vitals?node=2")).json()
    assert vitals["status"]["id"] == 2
    assert vitals["figures"] is not None
    history = await cluster.first.http.get("/debug/history?node=2")
    assert len(history.json()["points"]["when"]) == 1
    assert history.headers["x-meta-node"] == "2"


async def test_neither_is_for_everybody(node: Served) -> None:
    async with node.from_elsewhere() as elsewhere:
        for path in ("/debug/vitals", "/debug/history"):
            assert (await elsewhere.get(path)).status_code == 403


async def test_a_history_is_read_as_it_was_told(node: Served) -> None:
    node.history.look()
    node.history.look()
    assert points_of(told(node.history)) == (list(node.history.points()), node.history.step)


@pytest.mark.parametrize(
    "content", [{}, {"step": 10, "points": {}}, {"step": None, "points": []}, [], None, "x"]
)
def test_what_is_no_history_is_refused(content: object) -> None:
    with pytest.raises(ValueError, match="it is no history"):
        points_of(content)  # type: ignore[arg-type]
