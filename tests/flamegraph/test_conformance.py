"""Frames beside those of others: the same names, depths and counts, at the same places.

flamegraph.pl (FLAMEGRAPH_PL, or on PATH; with perl) is run on generated input and, with FLAMEGRAPH_CASES, a
directory, on every `*collapsed*.txt` in it. INFERNO_CASES, the directory tests/data of inferno, has pictures
to compare with.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from flamegraph import Profile, read_folded
from flamegraph.layout import layout, name_of
from flamegraph.svg import render
from tests.flamegraph import reference
from tests.flamegraph.pictures import parse, strokes
from tests.flamegraph.reference import Box

TOLERANCE = 0.1
#: What a drawn frame lacks of its width: the gap to the next, and a tenth of a pixel by rounding either end.
GAP = 0.6
_COUNT = re.compile(rb"(.*) (\d+(?:\.\d*)?)", re.DOTALL)


def ours(profile: Profile, min_width: float = 0.1, width: float = 1180) -> list[Box]:
    return [
        Box(depth, name_of(profile, frame.node), int(f"{frame.total:.0f}"), frame.x, frame.width)
        for depth, row in enumerate(layout(profile, width, min_width).rows)
        for frame in row
    ]


def compare(folded: Path, min_width: float = 0.1, *options: str) -> int:
    """The number of frames compared; fails on the first difference.

    Where flamegraph.pl tears a frame apart, its pieces are put together and compared by their weight.
    """
    theirs = sorted(reference.draw(reference.script(), folded, f"--minwidth={min_width}", *options))
    profile = read_folded(_reversed(folded) if "--reverse" in options else folded)
    mine = sorted(ours(profile, min_width))
    if len(mine) != len(theirs) and reference.split_frames(theirs):
        assert_same_weights(mine, theirs, profile.total * (min_width + TOLERANCE) / 1180)
        return len(mine)
    assert [box[:3] for box in mine] == [box[:3] for box in theirs]
    for one, other in zip(mine, theirs, strict=True):
        assert abs(one.x - other.x) <= TOLERANCE, (one, other)
        assert abs(one.width - other.width) <= TOLERANCE, (one, other)
    assert_drawn(profile, theirs, min_width, "icicle" if "--inverted" in options else "flame")
    return len(mine)


def assert_same_weights(mine: list[Box], theirs: list[Box], least: float) -> None:
    """A piece of a torn frame may be too narrow to be drawn: paths may lack up to a few of `least`."""
    whole, pieces = reference.paths(mine), reference.paths(theirs)
    assert set(pieces) <= set(whole)
    for path, weight in whole.items():
        assert pieces[path] <= weight
        assert pieces[path] >= weight - 4 * least, path


def assert_drawn(profile: Profile, theirs: list[Box], min_width: float, direction: str) -> None:
    """The strokes of the document itself stand where the boxes do, each in its line."""
    depth = max(box.depth for box in theirs)
    lines = [box.depth if direction == "icicle" else depth - box.depth for box in theirs]
    drawn = sorted(strokes(parse(render(profile, min_width=min_width, direction=direction))))
    boxes = sorted(zip(lines, theirs, strict=True), key=lambda pair: (pair[1].x, pair[0]))
    assert len(drawn) == len(boxes)
    by_place = sorted(drawn, key=lambda stroke: (stroke.x, stroke.line))
    assert sorted((stroke.line, 0) for stroke in by_place) == sorted((line, 0) for line, _ in boxes)
    rows: dict[int, list[Box]] = {}
    for line, box in boxes:
        rows.setdefault(line, []).append(box)
    for line, row in rows.items():
        placed = [stroke for stroke in by_place if stroke.line == line]
        for stroke, box in zip(placed, sorted(row, key=lambda box: (box.x, box.width)), strict=True):
            assert abs(stroke.x - box.x) <= 2 * TOLERANCE, (stroke, box)
            assert abs(stroke.width - box.width) <= GAP + 2 * TOLERANCE, (stroke, box)


def _rewritten(folded: Path, rewrite: Callable[[bytes, bytes], bytes]) -> Path:
    """A copy, each line with a count rewritten from its stack and count."""
    lines = []
    for line in folded.read_bytes().splitlines():
        if line.startswith(b"# "):
            continue  # austin's header, which is no stack for inferno
        match = _COUNT.fullmatch(line)
        lines.append(rewrite(match[1], match[2]) if match else line)
    copy = folded.parent / f".{folded.name}.rewritten"
    copy.write_bytes(b"\n".join(lines))
    return copy


def _reversed(folded: Path) -> Path:
    return _rewritten(folded, lambda stack, count: b";".join(stack.split(b";")[::-1]) + b" " + count)


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


WAYS = {
    "default": (0.1,),
    "everything": (0,),
    "inverted": (0.1, "--inverted"),
    "reversed": (0.1, "--reverse"),
}


@pytest.mark.parametrize("min_width", [0.1, 0.5, 5])
@pytest.mark.parametrize(("seed", "stacks"), [(1, 1), (2, 30), (3, 400), (4, 2000)])
def test_generated_input(tmp_path: Path, seed: int, stacks: int, min_width: float) -> None:
    folded = tmp_path / "in.folded"
    folded.write_text(generated(seed, stacks), encoding="utf-8")
    assert compare(folded, min_width) > 1


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_generated_input_in_every_way(tmp_path: Path, way: tuple[float, ...]) -> None:
    folded = tmp_path / "in.folded"
    folded.write_text(generated(5, 300), encoding="utf-8")
    assert compare(folded, *way) > 1  # type: ignore[arg-type]


def test_corners_of_the_format(tmp_path: Path) -> None:
    folded = tmp_path / "in.folded"
    folded.write_bytes(b"a;;b 3\na; 2\n;c 4\nx 1.5\nx;y 2.25\nno count\n\n7\nz 0\nlast 300")
    assert compare(folded) > 5


def test_a_torn_frame_is_noticed() -> None:
    root = Box(0, "all", 7, 0, 100)
    torn = [root, Box(1, "a", 5, 0, 50), Box(1, "b", 1, 50, 10), Box(1, "a", 4, 60, 40)]
    assert reference.split_frames(torn) == 1
    assert reference.split_frames(torn[:3]) == 0
    assert reference.paths(torn) == {("all",): 7, ("all", "a"): 9, ("all", "b"): 1}


def test_what_flamegraph_pl_tears_apart_we_do_not(tmp_path: Path) -> None:
    folded = tmp_path / "in.folded"
    folded.write_bytes(b"a 5\na 7b;y 1\na;x 2\n")
    theirs = reference.draw(reference.script(), folded)
    assert reference.split_frames(theirs) == 1
    assert [box.weight for box in ours(read_folded(folded)) if box.name == "a"] == [7]
    assert compare(folded) == 5


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_collected_cases(way: tuple[float, ...], tmp_path: Path) -> None:
    cases = reference.cases()
    if not cases:
        pytest.skip("FLAMEGRAPH_CASES names no directory with *collapsed*.txt files")
    for case in cases:
        copy = tmp_path / case.name
        copy.write_bytes(case.read_bytes())
        assert compare(copy, *way) > 0, case  # type: ignore[arg-type]


def _second_column(stack: bytes, count: bytes) -> bytes:
    """A differential line drawn by its second count."""
    return stack.rpartition(b" ")[0] + b" " + count


def _whole(stack: bytes, count: bytes) -> bytes:
    return stack + b" " + count.partition(b".")[0]


def _whole_reversed(stack: bytes, count: bytes) -> bytes:
    return b";".join(stack.split(b";")[::-1]) + b" " + count.partition(b".")[0]


VERTX = "perf-vertx-stacks-01-collapsed-all"
CYCLES = "perf-cycles-instructions-01-collapsed-all"
UNSORTED = f"unsorted-input/{VERTX}-unsorted.txt"
#: Golden picture -> its input, there or (`results/`) among flamegraph.pl's cases, and how lines are taken.
#: Left out are those that keep the order of time, take a base frame, or multiply by a factor, and those of
#: which flamegraph.pl's repository has the input in another version.
GOLDENS: dict[str, tuple[str, Callable[[bytes, bytes], bytes]]] = {
    "colors/deterministic.svg": ("colors/async-profiler-collapsed-part.txt", _whole),
    "colors/async-profiler-java.svg": ("colors/async-profiler-collapsed-part.txt", _whole),
    "colors/js.svg": ("results/perf-js-stacks-01-collapsed-all.txt", _whole),
    "differential/diff.svg": (f"differential/{CYCLES}-diff.txt", _second_column),
    "differential/diff-negated.svg": (f"differential/{CYCLES}-diff.txt", _second_column),
    "example-perf-stacks/example-perf-stacks.svg": (
        "../collapse-perf/results/example-perf-stacks-collapsed.txt",
        _whole,
    ),
    "fractional-samples/fractional-reversed.svg": ("fractional-samples/fractional.txt", _whole_reversed),
    "fractional-samples/with-space-reversed.svg": ("fractional-samples/with-space.txt", _whole_reversed),
    "austin/flame.svg": ("austin/flames.txt", _whole),
    "grey-frames/grey-frames.svg": ("grey-frames/grey-frames.txt", _whole),
    "inverted/inverted.svg": (UNSORTED, _whole),
    "narrow-blocks/narrow-blocks.svg": ("narrow-blocks/narrow-blocks.txt", _whole),
    "options/colordiffusion.svg": (UNSORTED, _whole),
    "palette-map/consistent-palette.svg": (UNSORTED, _whole),
    f"perf-vertx-stacks/{VERTX}.svg": (UNSORTED, _whole),
    f"perf-vertx-stacks/{VERTX}-reversed-stacks.svg": (UNSORTED, _whole_reversed),
}
GOLDENS |= {
    f"options/{name}.svg": (f"differential/{CYCLES}-diff.txt", _second_column)
    for name in ("default", "count_name_simple", "title_with_symbols", "notes_with_symbols", "search_color")
}


@pytest.mark.parametrize("name", GOLDENS)
def test_inferno_goldens(name: str, tmp_path: Path) -> None:
    directory = reference.goldens() / "flamegraph"
    source, rewrite = GOLDENS[name]
    place = directory / source
    if source.startswith("results/"):
        cases = {case.name: case for case in reference.cases()}
        if place.name not in cases:
            pytest.skip(f"FLAMEGRAPH_CASES has no {place.name}")
        place = cases[place.name]
    copy = tmp_path / place.name
    copy.write_bytes(place.read_bytes())
    profile = read_folded(_rewritten(copy, rewrite))
    # inferno takes spaces around a name away.
    theirs = sorted(
        box._replace(name=box.name.strip()) for box in reference.golden(directory / name, "inverted" in name)
    )
    scale = profile.total / 100
    mine = sorted(
        box._replace(name=box.name.strip(), x=round(box.x * scale), width=round(box.width * scale))
        for box in ours(profile, 0.01, 100)
    )
    assert len(mine) > 1
    if "with-space" in name:
        # It also puts names in order by spaces it then takes away.
        assert [box[:3] for box in mine] == [box[:3] for box in theirs]
    else:
        assert mine == theirs
