"""A few of the measurements, short, by the real profilers."""

from pathlib import Path

import pytest

from diag.perf import stop_bench


def test_a_stop_is_measured_beside_the_machine_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {name: stop_bench.KINDS[name] for name in ("nothing (the machine's own noise)", "CPU")}
    monkeypatch.setattr(stop_bench, "KINDS", kinds)
    figures = stop_bench.measure(tmp_path, rounds=1, allocations=2_000)
    assert [figure.name.partition(":")[0] for figure in figures[:2]] == ["stop of the loop"] * 2
    assert all(figure.value >= 0 for figure in figures)
    pictures = [figure for figure in figures if "to SVG" in figure.name]
    assert len(pictures) == 4
    assert all(figure.unit == "ms" or figure.value > 0 for figure in pictures)
