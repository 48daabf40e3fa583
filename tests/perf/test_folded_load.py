from pathlib import Path

import pytest

from diag.perf import folded_load
from flamegraph import read_folded


@pytest.mark.parametrize("stacks", [1, 50, 2000])
def test_as_many_stacks_as_asked_for_of_the_depth_of_a_service(stacks: int, tmp_path: Path) -> None:
    profile = read_folded(folded_load.write(tmp_path / "in.folded", stacks))
    depths = [len(frames) for frames, _ in profile.stacks()]
    assert len(depths) == stacks
    assert all(20 <= depth <= 61 for depth in depths)
    assert "invalid_lines" not in profile.metadata


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    one, same, other = (
        folded_load.write(tmp_path / name, 100, seed).read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == same != other
