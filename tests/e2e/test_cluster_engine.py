"""The real Databend Query engine with three of our nodes as its meta service."""

import re
import threading
from pathlib import Path

import pytest

from diag.perf.engine import Engine, missing, run_script
from diag.perf.node_process import NodeProcess
from diag.perf.sql import script
from tests.e2e.cluster import Cluster, get, level, values
from tests.polling import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.long,
    pytest.mark.usefixtures("etcd"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]


def rows(engine: Engine, sql: str) -> tuple[str, ...]:
    outcome = engine.execute(sql)
    assert outcome.error is None, outcome
    return outcome.rows


def catalogue(engine: Engine) -> dict[str, tuple[str, ...]]:
    """What must be whole at the end."""
    return {
        "tables": rows(engine, "select database, name from system.tables where database = 'kept' order by 2"),
        "functions": rows(engine, "select name from system.user_functions order by 1"),
        "users": rows(engine, "select name from system.users order by 1"),
        "stages": rows(engine, "select name from system.stages order by 1"),
    }


def fill(engine: Engine) -> None:
    rows(engine, "create database kept")
    for number in range(8):
        rows(engine, f"create table kept.t{number} as select {number} as n")
        rows(engine, f"create function kept_{number} as (x) -> x + {number}")
    rows(engine, "create user keeper identified by 'secret words'")
    rows(engine, "create stage keeper")


def test_every_statement_comes_to_its_known_result(cluster: Cluster, tmp_path: Path) -> None:
    with Engine(tmp_path / "engine", meta=",".join(cluster.endpoints), cluster_id="one") as engine:
        assert run_script(engine, script("first"))
    until(lambda: level(cluster))
    found = [values(node, "__fd_") for node in cluster.nodes.values()]
    assert found[0] == found[1] == found[2] != {}


def test_engines_at_different_nodes_see_each_others_tables(cluster: Cluster, tmp_path: Path) -> None:
    data, ends = tmp_path / "data", cluster.endpoints
    with (
        Engine(tmp_path / "a", meta=ends[1], cluster_id="a", data=data) as first,
        Engine(tmp_path / "b", meta=ends[2], cluster_id="b", data=data) as second,
    ):
        rows(first, "create database shared")
        for turn in range(10):
            rows(first, f"create table shared.t{turn} (n int)")
            rows(second, f"insert into shared.t{turn} values ({turn})")
            assert rows(first, f"select n from shared.t{turn}") == (str(turn),)
            rows(second, f"update shared.t{turn} set n = n + 1 where true")
            assert rows(first, f"select n from shared.t{turn}") == (str(turn + 1),)
            rows(second, f"drop table shared.t{turn}")
        assert rows(first, "select count(*) from system.tables where database = 'shared'") == ("0",)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_statements_go_on_when_the_leader_goes(cluster: Cluster, tmp_path: Path, how: str) -> None:
    leader = cluster.leader()
    # The engine talks to the node that goes, and knows the others.
    ends = [
        cluster.nodes[leader].grpc,
        *(end for end in cluster.endpoints if end != cluster.nodes[leader].grpc),
    ]
    with Engine(tmp_path / "engine", meta=",".join(ends), cluster_id="one") as engine:
        fill(engine)
        before = catalogue(engine)
        assert (len(before["tables"]), len(before["functions"])) == (8, 8)

        gone = threading.Event()

        def end() -> None:
            cluster.nodes[leader].kill() if how == "kill" else cluster.nodes[leader].stop()
            gone.set()

        failed: list[str] = []
        made: list[int] = []
        ending = threading.Timer(0.3, end)
        ending.start()
        number = 0
        while not gone.is_set() or len(made) < 40:
            outcome = engine.execute(f"create table kept.made{number} (n int)")
            if outcome.error is None:
                made.append(number)
            else:
                failed.append(outcome.error)
            number += 1
            assert number < 400, failed
        ending.join()
        assert len(failed) <= 3, failed

        assert cluster.leader() != leader
        after = catalogue(engine)
        mine = {f"'kept', 'made{number}'" for number in made}
        assert mine <= set(after["tables"])
        assert set(after["tables"]) - mine - set(before["tables"]) <= {
            f"'kept', 'made{at}'" for at in range(number)
        }
        assert {kind: after[kind] for kind in ("functions", "users", "stages")} == {
            kind: before[kind] for kind in ("functions", "users", "stages")
        }
        for table in range(8):
            assert rows(engine, f"select n from kept.t{table}") == (str(table),)
        assert run_script(engine, script("after"))
        cluster.start(leader)
        until(lambda: level(cluster))
    with Engine(tmp_path / "engine", meta=cluster.nodes[leader].grpc, cluster_id="two") as engine:
        assert catalogue(engine) == after


def test_an_engine_at_a_follower_alone_works(cluster: Cluster, tmp_path: Path) -> None:
    follower = next(node for node_id, node in cluster.nodes.items() if node_id != cluster.leader())
    with Engine(tmp_path / "engine", meta=follower.grpc, cluster_id="one") as engine:
        assert run_script(engine, script("first"))


def calls(node: NodeProcess) -> float:
    """How many calls it has answered."""
    (count,) = re.findall(
        r"^metasrv_meta_network_req_success(?:_total)? (\S+)", get(node, "/v1/metrics").text, re.M
    )
    return float(count)


def test_an_engine_that_begins_at_a_follower_moves_to_the_leader(cluster: Cluster, tmp_path: Path) -> None:
    leader = cluster.leader()
    nodes = sorted(cluster.nodes.items(), key=lambda item: item[0] == leader)
    before = [calls(node) for _, node in nodes]
    with Engine(
        tmp_path / "engine", meta=",".join(node.grpc for _, node in nodes), cluster_id="one"
    ) as engine:
        assert run_script(engine, script("first"))
    first, second, led = (calls(node) - count for (_, node), count in zip(nodes, before, strict=True))
    assert led > 10 * (first + second), "it goes there, and does not come back"
    assert first + second + led < 3000, "a call is made once"
