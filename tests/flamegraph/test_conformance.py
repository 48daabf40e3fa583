"""Frames beside flamegraph.pl's: the same names, depths and counts, at the same places.

Needs perl and flamegraph.pl (FLAMEGRAPH_PL, or on PATH); with FLAMEGRAPH_CASES, a directory, every
`*collapsed*.txt` in it is compared too.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from flamegraph import read_folded
from flamegraph.layout import layout, name_of
from tests.flamegraph import reference
from tests.flamegraph.reference import Box

TOLERANCE = 0.1


def ours(folded: Path, min_width: float = 0.1) -> list[Box]:
    profile = read_folded(folded)
    return [
        Box(depth, name_of(profile, frame.node), int(f"{frame.total:.0f}"), frame.x, frame.width)
        for depth, row in enumerate(layout(profile, 1180, min_width).rows)
        for frame in row
    ]


def compare(folded: Path, min_width: float = 0.1) -> int:
    """The number of frames compared; fails on the first difference."""
    theirs = sorted(reference.draw(reference.script(), folded, min_width))
    mine = sorted(ours(folded, min_width))
    if len(mine) != len(theirs) and reference.split_frames(theirs):
        pytest.skip("flamegraph.pl draws a frame of this input twice")
    assert [box[:3] for box in mine] == [box[:3] for box in theirs]
    for one, other in zip(mine, theirs, strict=True):
        assert abs(one.x - other.x) <= TOLERANCE, (one, other)
        assert abs(one.width - other.width) <= TOLERANCE, (one, other)
    return len(mine)


def generated(seed: int, stacks: int) -> str:
    """Folded stacks with recursion, siblings that continue each other's names, and Zipf-like counts.

    Names hold nothing that sorts before `;`, so that flamegraph.pl keeps every frame in one piece.
    """
    random = Random(seed)
    names = [
        f"{verb}_{noun}"
        for verb in ("get", "set", "load", "run_all")
        for noun in ("row", "item", "rows", "key_[j]")
    ]
    names += ["f", "g_[k]", "ff", "org::Type", "<lambda>", "naïve", "A&B", '"quoted"']
    lines = {}
    for rank in range(stacks):
        depth = random.randint(1, 30)
        stack = ";".join(random.choice(names) for _ in range(depth))
        lines[stack] = 1 + int(stacks / (rank + 1))
    return "".join(f"{stack} {count}\n" for stack, count in lines.items())


@pytest.mark.parametrize("min_width", [0.1, 0.5, 5])
@pytest.mark.parametrize(("seed", "stacks"), [(1, 1), (2, 30), (3, 400), (4, 2000)])
def test_generated_input(tmp_path: Path, seed: int, stacks: int, min_width: float) -> None:
    folded = tmp_path / "in.folded"
    folded.write_text(generated(seed, stacks), encoding="utf-8")
    assert compare(folded, min_width) > 1


def test_corners_of_the_format(tmp_path: Path) -> None:
    folded = tmp_path / "in.folded"
    folded.write_bytes(b"a;;b 3\na; 2\n;c 4\nx 1.5\nx;y 2.25\nno count\n\n7\nz 0\nlast 300")
    assert compare(folded) > 5


def test_a_torn_frame_is_noticed() -> None:
    root = Box(0, "all", 7, 0, 100)
    torn = [root, Box(1, "a", 5, 0, 50), Box(1, "b", 1, 50, 10), Box(1, "a", 4, 60, 40)]
    assert reference.split_frames(torn) == 1
    assert reference.split_frames(torn[:3]) == 0


def test_collected_cases() -> None:
    cases = reference.cases()
    if not cases:
        pytest.skip("FLAMEGRAPH_CASES names no directory with *collapsed*.txt files")
    assert sum(map(compare, cases)) > 0
