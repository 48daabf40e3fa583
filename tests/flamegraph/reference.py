"""Pictures drawn by others, read back as frames: flamegraph.pl run beside us, and inferno's golden files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

PAD = 10
_ROW = 16
_SVG = "{http://www.w3.org/2000/svg}"
_FG = "{http://github.com/jonhoo/inferno}"
_TITLE = re.compile(r"(.*) \(([\d,]+) [^()]*?, [\d.]+%[^()]*\)$", re.DOTALL)


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


def goldens() -> Path:
    """inferno's tests/data by INFERNO_CASES; skips the test where it is not named."""
    directory = os.environ.get("INFERNO_CASES")
    if not directory:
        pytest.skip("INFERNO_CASES does not name the tests/data directory of inferno")
    return Path(directory)


def draw(flamegraph_pl: Path, folded: Path, *options: str) -> list[Box]:
    """The frames flamegraph.pl draws at its width of 1200 pixels, margins included."""
    run = subprocess.run(["perl", str(flamegraph_pl), *options, str(folded)], capture_output=True, check=True)
    root = ElementTree.fromstring(run.stdout.decode("utf-8", "replace"))
    frames = []
    for y, name, weight, rect in _rectangles(root):
        frames.append((y, name, weight, float(rect.attrib["x"]) - PAD, float(rect.attrib["width"])))
    return _by_depth(frames, "--inverted" in options)


def golden(svg: Path, inverted: bool = False) -> list[Box]:
    """The frames of a golden file; `x` and `width` in samples, as it keeps them."""
    root = ElementTree.parse(svg).getroot()
    frames = []
    for y, name, weight, rect in _rectangles(root):
        frames.append((y, name, weight, float(rect.attrib[f"{_FG}x"]), float(rect.attrib[f"{_FG}w"])))
    return _by_depth(frames, inverted)


def _rectangles(root: ElementTree.Element) -> Iterator[tuple[float, str, int, ElementTree.Element]]:
    for group in root.iter():
        title, rect = group.find(f"{_SVG}title"), group.find(f"{_SVG}rect")
        match = _TITLE.match(title.text or "") if title is not None and rect is not None else None
        if match and rect is not None:
            yield float(rect.attrib["y"]), match[1], int(match[2].replace(",", "")), rect


def _by_depth(frames: list[tuple[float, str, int, float, float]], inverted: bool) -> list[Box]:
    ys = [frame[0] for frame in frames]
    root = min(ys) if inverted else max(ys)
    return [Box(round(abs(root - y) / _ROW), name, weight, x, width) for y, name, weight, x, width in frames]


def paths(boxes: Iterable[Box], slack: float = 0.11) -> Counter[tuple[str, ...]]:
    """Weight by path of names, frames that are drawn in pieces put together."""
    rows: dict[int, list[tuple[Box, tuple[str, ...]]]] = {}
    found: Counter[tuple[str, ...]] = Counter()
    for box in sorted(boxes):
        center = box.x + box.width / 2
        below = rows.get(box.depth - 1, [])
        path = next((p for b, p in below if b.x - slack <= center <= b.x + b.width + slack), ())
        rows.setdefault(box.depth, []).append((box, (*path, box.name)))
        found[*path, box.name] += box.weight
    return found


def split_frames(boxes: Iterable[Box]) -> int:
    """How many frames are drawn more than once: below one caller, two boxes of one name.

    flamegraph.pl merges neighbouring lines only. A sibling that sorts between the own samples of a frame and
    its children tears the frame apart; such a picture cannot be compared box by box.
    """
    seen: Counter[tuple[Box | None, str]] = Counter()
    by_depth: dict[int, list[Box]] = {}
    boxes = list(boxes)
    for box in boxes:
        by_depth.setdefault(box.depth, []).append(box)
    for box in boxes:
        center = box.x + box.width / 2
        below = [b for b in by_depth.get(box.depth - 1, []) if b.x - 0.1 <= center <= b.x + b.width + 0.1]
        seen[below[0] if below else None, box.name] += 1
    return sum(count > 1 for count in seen.values())
