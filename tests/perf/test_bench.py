"""The runner of the benchmarks, with parts of our own."""

import sys
from pathlib import Path

import pytest
from rich.console import Console

from diag.errors import Unavailable
from diag.perf import bench
from diag.perf.figures import Figure


def good(directory: Path) -> list[Figure]:
    assert directory.is_dir()
    return [Figure("good", 1.0, "<=", 2.0)]


def broken(directory: Path) -> list[Figure]:
    raise Unavailable("The machine is gone.")


def test_no_parts_no_figures() -> None:
    assert bench.run([], Console(), parts={}) == ([], [])


def test_a_broken_part_leaves_the_others() -> None:
    figures, failures = bench.run(["broken", "good"], Console(), parts={"broken": broken, "good": good})
    assert [figure.name for figure in figures] == ["good"]
    assert failures == ["broken: The machine is gone."]


def test_without_an_engine_the_sql_part_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "databend", None)
    assert bench.run(["sql"], Console(), parts={"sql": good}) == ([], [])
    assert "not installed" in capsys.readouterr().out


def test_an_unknown_part_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        bench.main(["speed"])
    assert exit_.value.code == 2
    assert (
        "no part 'speed'; known: log, sql, rpc, node, cluster, profiles, settings, stops, truth, dashboard, "
        "flamegraph" in capsys.readouterr().err
    )
