import json
from pathlib import Path

import pytest

from flamegraph.cli import main


def test_top_is_a_table_or_json(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", str(folded)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Total: 4 samples",
        "     self   self%      total   total%  function",
        "3 samples  75.00%  3 samples   75.00%  work",
        " 1 sample  25.00%  4 samples  100.00%  main",
    ]
    assert main(["top", str(folded), "--by", "total", "-n", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "unit": "samples",
        "total": 4,
        "functions": [{"name": "main", "self": 1, "total": 4}],
    }


def test_top_of_nothing_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes(b"")
    assert main(["top", str(tmp_path / "in")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Total: 0 samples"
