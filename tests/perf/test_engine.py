"""The engine as a child process, on its own embedded store."""

import sys
from pathlib import Path

import pytest

from diag.errors import Unavailable
from diag.perf.engine import Engine, missing, run_script
from diag.perf.engine_child import rows_of
from diag.perf.node_process import free_ports
from diag.perf.sql import Statement, script

needs_engine = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def test_no_rows_in_an_empty_drawing() -> None:
    assert rows_of("┌┐\n└┘") == []


def test_rows_are_cells_joined() -> None:
    box = "┌───┐\n│ a │  b │\n│ I │ S │\n├───┼───┤\n│ 1 │ 'x y' │\n│ 2 │ NULL  │\n└───┘"
    assert rows_of(box) == ["1, 'x y'", "2, NULL"]


def test_a_missing_wheel_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "databend", None)
    assert "not installed" in str(missing())
    with pytest.raises(Unavailable, match="not installed"), Engine(tmp_path, meta=None):
        pass


@pytest.mark.engine
@needs_engine
def test_the_script_is_right_on_the_embedded_store(tmp_path: Path) -> None:
    with Engine(tmp_path, meta=None) as engine:
        for _ in range(2):
            outcomes = run_script(engine, script("local"))
    assert all(outcome.seconds > 0 for outcome in outcomes)


@pytest.mark.engine
@needs_engine
def test_a_wrong_result_stops_the_script(tmp_path: Path) -> None:
    with Engine(tmp_path, meta=None) as engine, pytest.raises(Unavailable, match=r"had to give \['2'\]"):
        run_script(engine, [Statement("select 1", ("2",))])


@pytest.mark.engine
@needs_engine
def test_long_results_are_whole(tmp_path: Path) -> None:
    with Engine(tmp_path, meta=None) as engine:
        outcome = engine.execute("select number, repeat('x', 300) from numbers(60)")
    assert outcome.rows == tuple(f"{number}, '{'x' * 300}'" for number in range(60))


@pytest.mark.engine
@needs_engine
def test_no_meta_service_is_told_with_the_engines_words(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with (
        pytest.raises(Unavailable, match="The query engine ended with status"),
        Engine(tmp_path, meta=f"127.0.0.1:{port}"),
    ):
        pass
