from pathlib import Path

import pytest

from diag.errors import Unavailable
from diag.perf import flamegraph_bench, flamegraph_browser, folded_load
from flamegraph import read_folded, render


def test_without_peers_there_are_still_our_own_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FLAMEGRAPH_BENCH_STACKS", "50")
    for name in ("FLAMEGRAPH_PL", "INFERNO_FLAMEGRAPH"):
        monkeypatch.delenv(name, raising=False)
    figures = flamegraph_bench.measure(tmp_path)
    assert [figure.name for figure in figures] == ["1,000 stacks to SVG in process"]
    told = capsys.readouterr().err
    assert "flamegraph.pl: left out. Name the script by FLAMEGRAPH_PL" in told
    assert "inferno: left out." in told


def test_a_peer_is_compared_by_time_memory_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAMEGRAPH_BENCH_STACKS", "50")
    monkeypatch.setenv("INFERNO_FLAMEGRAPH", "/bin/cat")
    monkeypatch.delenv("FLAMEGRAPH_PL", raising=False)
    figures = {figure.name: figure for figure in flamegraph_bench.measure(tmp_path)}
    sizes = figures["50 stacks: SVG, ours : inferno"]
    assert sizes.value > 1
    assert figures["50 stacks: CPU, inferno : ours"].value < 1
    assert figures["50 stacks: memory, ours : inferno"].value > 1


def test_a_peer_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAMEGRAPH_BENCH_STACKS", "50")
    monkeypatch.setenv("INFERNO_FLAMEGRAPH", "/bin/false")
    monkeypatch.delenv("FLAMEGRAPH_PL", raising=False)
    with pytest.raises(Unavailable, match="/bin/false did not draw"):
        flamegraph_bench.measure(tmp_path)


def test_sizes_are_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAMEGRAPH_BENCH_STACKS", "many")
    with pytest.raises(Unavailable, match="numbers and commas"):
        flamegraph_bench.measure(tmp_path)


@pytest.mark.browser
def test_a_browser_loads_zooms_and_searches(tmp_path: Path) -> None:
    if flamegraph_browser.browser() is None:
        pytest.skip("Chromium is not on PATH")
    svg = render(read_folded(folded_load.write(tmp_path / "in.folded", 50)))
    times = flamegraph_browser.measure({"ours": svg.encode()}, tmp_path, rounds=1)["ours"]
    assert min(times.load, times.zoom, times.search) > 0
    assert 10 < times.elements < 1000
