"""The real Databend Query engine with our node as its meta service."""

import asyncio
from pathlib import Path

import pytest

from diag.perf.engine import Engine, missing, run_script
from diag.perf.node_process import NodeProcess
from diag.perf.sql import script
from diag.rpc.client import MetaClient
from tests.polling import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]


def rows(engine: Engine, sql: str) -> tuple[str, ...]:
    outcome = engine.execute(sql)
    assert outcome.error is None, outcome
    return outcome.rows


def keys(node: NodeProcess, prefix: str) -> list[str]:
    async def read() -> list[str]:
        async with MetaClient([node.grpc]) as client:
            return [key async for key, _ in client.list(prefix)]

    return asyncio.run(read())


def test_every_statement_comes_to_its_known_result(node: NodeProcess, tmp_path: Path) -> None:
    assert keys(node, "__fd_") == []
    with Engine(tmp_path / "engine", meta=node.grpc, cluster_id="one", tenant="shop") as engine:
        outcomes = run_script(engine, script("first"))
        assert run_script(engine, script("first"))  # the script left nothing in its own way
        assert any(key.startswith("__fd_clusters") for key in keys(node, "__fd_clusters"))
    assert len(outcomes) >= 60
    assert any("/shop/" in key for key in keys(node, "__fd_"))


def test_two_engines_see_each_others_tables(node: NodeProcess, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        Engine(tmp_path / "a", meta=node.grpc, cluster_id="a", data=data) as first,
        Engine(tmp_path / "b", meta=node.grpc, cluster_id="b", data=data) as second,
    ):
        rows(first, "create database shared")
        rows(first, "create table shared.notes (id int, said varchar)")
        rows(second, "insert into shared.notes values (1, 'from b')")
        rows(first, "insert into shared.notes values (2, 'from a')")
        assert rows(first, "select * from shared.notes order by id") == ("1, 'from b'", "2, 'from a'")
        rows(first, "update shared.notes set said = 'changed by a' where id = 1")
        assert rows(second, "select said from shared.notes where id = 1") == ("'changed by a'",)
        rows(second, "drop table shared.notes")
        refused = first.execute("select * from shared.notes")
    assert refused.error is not None
    assert "UnknownTable" in refused.error


def test_two_engines_work_at_the_same_time(node: NodeProcess, tmp_path: Path) -> None:
    async def both(first: Engine, second: Engine) -> None:
        await asyncio.gather(
            asyncio.to_thread(run_script, first, script("west")),
            asyncio.to_thread(run_script, second, script("east")),
        )

    with (
        Engine(tmp_path / "a", meta=node.grpc, cluster_id="a", tenant="west") as first,
        Engine(tmp_path / "b", meta=node.grpc, cluster_id="b", tenant="east") as second,
    ):
        asyncio.run(both(first, second))


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_engine_survives_a_restart_of_the_node(node: NodeProcess, tmp_path: Path, how: str) -> None:
    with Engine(tmp_path / "engine", meta=node.grpc, cluster_id="one") as engine:
        rows(engine, "create database lasting")
        rows(engine, "create table lasting.facts (id int)")
        rows(engine, "insert into lasting.facts values (7)")
        if how == "stop":
            assert node.stop() == 0
        else:
            node.kill()
        lost = engine.execute("show tables from lasting")
        assert lost.error is not None  # the engine asks its meta service, not a copy
        node.start()
        until(lambda: engine.execute("select 1 from lasting.facts").error is None)
        assert rows(engine, "select id from lasting.facts") == ("7",)
        rows(engine, "insert into lasting.facts values (8)")
        run_script(engine, script("after"))


def test_a_new_engine_finds_what_an_earlier_one_left(node: NodeProcess, tmp_path: Path) -> None:
    directory = tmp_path / "engine"
    with Engine(directory, meta=node.grpc, cluster_id="earlier") as engine:
        rows(engine, "create database kept")
        rows(engine, "create table kept.numbers as select 42 as answer")
        rows(engine, "create user keeper identified by 'secret words'")
    with Engine(directory, meta=node.grpc, cluster_id="later") as engine:
        assert rows(engine, "select answer from kept.numbers") == ("42",)
        assert rows(engine, "select name from system.users where name = 'keeper'") == ("'keeper'",)
