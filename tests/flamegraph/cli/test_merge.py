from pathlib import Path

from flamegraph.cli import main


def test_merge_adds_up(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "sum"
    assert main(["merge", str(folded), str(folded), str(folded), "-o", str(out)]) == 0
    assert out.read_bytes() == b"main 3\nmain;work 9\n"
