from pathlib import Path

import pytest

from diag.errors import ConfigError
from diag.perf.gate.peers import PACKAGES, Case, cases, verdicts
from diag.perf.gate.recording import Recording
from flamegraph.paired import effect


def _recording() -> Recording:
    return Recording({}, [{"put": [1.0 + at / 1e3, 1.0, 1.06, 1.12]} for at in range(40)])


def test_trials_are_of_the_same_code_of_slower_code_and_of_another_time() -> None:
    same, five, ten, stored = cases("quiet", _recording(), "put", 3)
    assert [case.name for case in (same, five, ten, stored)] == [
        "quiet: same code",
        "quiet: +5%",
        "quiet: +10%",
        "quiet: same code, stored",
    ]
    assert {len(case.trials) for case in (same, five, ten, stored)} == {3}
    assert effect(ten.trials[0]).ratio == pytest.approx(1.1, abs=0.01)
    assert max(stored.trials[0].base) < 1.02, "base is of the first half"
    assert stored.again is None, "pairs of different rounds are none to us"


def test_tools_that_cannot_be_run_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no module named pyperf >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigError, match="no module named pyperf"):
        verdicts(Case("none", [], None), broken)


def test_the_others_are_pinned() -> None:
    assert all("==" in package for package in PACKAGES)
