"""Each of the dashboard's measurements once, against a node under load and a real browser."""

from pathlib import Path

import pytest

from diag.errors import Unavailable
from diag.perf import dashboard_bench
from tests import chromium

pytestmark = pytest.mark.browser


def test_without_a_browser_there_are_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="Chromium is not on PATH"):
        dashboard_bench.measure(tmp_path / "bench")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_figure_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chromium.program()
    monkeypatch.setattr(dashboard_bench, "_APART", (0.0, 0.1))
    figures = dashboard_bench.measure(tmp_path / "bench", changes=1, profiles=1, starts=1, seconds=0.2)
    assert [figure.unit for figure in figures[:6]] == ["s", "s", "s", "ms", "ms", "%"]
    assert [figure.unit for figure in figures[6:]] in ([], ["s", "%"])  # those of a cluster need an etcd
    assert all(figure.value > 0 for figure in figures if figure.unit != "%")
