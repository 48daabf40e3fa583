"""flamegraph.pl, when there is one: run beside us and read back as frames."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

PAD = 10
_ROW = 16
_SVG = "{http://www.w3.org/2000/svg}"
_TITLE = re.compile(r"(.*) \(([\d,]+) samples, [\d.]+%\)$", re.DOTALL)


class Box(NamedTuple):
    """One drawn frame; `x` and `width` in pixels, `x` from the root's left edge."""

    depth: int
    name: str
    weight: int
    x: float
    width: float


def script() -> Path:
    """flamegraph.pl by FLAMEGRAPH_PL or from PATH; skips the test when it or perl is missing."""
    found = os.environ.get("FLAMEGRAPH_PL") or shutil.which("flamegraph.pl")
    if not found:
        pytest.skip("flamegraph.pl is not on PATH; name it by FLAMEGRAPH_PL to compare with it")
    if not shutil.which("perl"):
        pytest.skip("perl is not installed, flamegraph.pl cannot run")
    return Path(found)


def cases() -> list[Path]:
    """Folded files to compare on, by FLAMEGRAPH_CASES (a directory)."""
    directory = os.environ.get("FLAMEGRAPH_CASES")
    return sorted(Path(directory).glob("*collapsed*.txt")) if directory else []


def draw(flamegraph_pl: Path, folded: Path, min_width: float = 0.1) -> list[Box]:
    """The frames flamegraph.pl draws at its width of 1200 pixels, margins included."""
    run = subprocess.run(
        ["perl", str(flamegraph_pl), f"--minwidth={min_width}", str(folded)], capture_output=True, check=True
    )
    return list(_boxes(ElementTree.fromstring(run.stdout.decode("utf-8", "replace"))))


def _boxes(root: ElementTree.Element) -> list[Box]:
    boxes: list[tuple[float, str, int, float, float]] = []
    frames = root.find(f"{_SVG}g[@id='frames']")
    assert frames is not None
    for group in frames:
        title, rect = group.find(f"{_SVG}title"), group.find(f"{_SVG}rect")
        assert title is not None
        assert rect is not None
        name, weight = _named(title.text or "")
        x, y, width = (float(rect.attrib[key]) for key in ("x", "y", "width"))
        boxes.append((y, name, weight, x - PAD, width))
    lowest = max(box[0] for box in boxes)
    return [Box(round((lowest - y) / _ROW), name, weight, x, width) for y, name, weight, x, width in boxes]


def _named(title: str) -> tuple[str, int]:
    match = _TITLE.match(title)
    assert match, title
    return match[1], int(match[2].replace(",", ""))


def split_frames(boxes: list[Box]) -> int:
    """How many frames are drawn more than once: below one caller, two boxes of one name.

    flamegraph.pl merges neighbouring lines only. A sibling that sorts between the own samples of a frame and
    its children tears the frame apart; such a picture cannot be compared.
    """
    seen: Counter[tuple[Box | None, str]] = Counter()
    by_depth: dict[int, list[Box]] = {}
    for box in boxes:
        by_depth.setdefault(box.depth, []).append(box)
    for box in boxes:
        center = box.x + box.width / 2
        below = [b for b in by_depth.get(box.depth - 1, []) if b.x - 0.1 <= center <= b.x + b.width + 0.1]
        seen[below[0] if below else None, box.name] += 1
    return sum(count > 1 for count in seen.values())
