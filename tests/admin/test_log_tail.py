"""The last lines of a node's log, from any node, without secrets."""

from pathlib import Path

import pytest

from tests.admin.members import Cluster
from tests.admin.served import TOKEN, Served

pytestmark = pytest.mark.anyio

LOG = "/debug/log"


async def test_a_log_that_is_not_written_yet_is_empty(node: Served) -> None:
    response = await node.http.get(LOG)
    assert (response.status_code, response.text) == (200, "")


async def test_the_last_lines_without_secrets(node: Served, tmp_path: Path) -> None:
    lines = [f"line {number}\n" for number in range(1000)]
    (tmp_path / "node.log").write_text("".join([*lines, f"a client sent {TOKEN}\n", "password=PLANTED12\n"]))
    told = (await node.http.get(LOG, params={"lines": "3"})).text
    assert told == "line 999\na client sent ***\npassword=***\n"
    assert len((await node.http.get(LOG)).text.splitlines()) == 500


async def test_a_large_log_begins_with_a_whole_line(node: Served, tmp_path: Path) -> None:
    (tmp_path / "node.log").write_bytes(b"0123456789" * 100_000 + b"\n" + b"x" * (9 << 20) + b"\nend\n")
    assert (await node.http.get(LOG)).text == "end\n"


@pytest.mark.parametrize(
    "query", ["?lines=0", "?lines=1.5", "?lines=x", "?source=../../etc/passwd", "?lines=100001", "?a=1"]
)
async def test_bad_parameters(node: Served, query: str) -> None:
    assert (await node.http.get(LOG + query)).status_code == 400


async def test_a_log_that_there_is_not(node: Served) -> None:
    response = await node.http.get(LOG, params={"source": "etcd"})
    assert (response.status_code, "no etcd member" in response.text) == (404, True)


async def test_it_is_closed_to_other_machines(node: Served) -> None:
    async with node.from_elsewhere() as http:
        assert (await http.get(LOG)).status_code == 403


async def test_of_another_node(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "2" / "node.log").write_text("of node 2\n")
    assert (await cluster.first.http.get(LOG, params={"node": "2"})).text == "of node 2\n"
