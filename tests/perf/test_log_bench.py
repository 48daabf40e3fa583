"""The log's bench runs and its figures agree with each other; how large they are is not asked here."""

from pathlib import Path

from diag.perf.log_bench import compare, line


def test_figures_agree(tmp_path: Path) -> None:
    figures = compare(4, rounds=1, seconds=0.2, directory=tmp_path)
    assert figures.proposers == 4
    assert figures.ratio == figures.commands_per_second / figures.bare_per_second
    assert figures.p50_ms > 0
    assert "ratio" in line(figures)
    assert list(tmp_path.iterdir()) == []
