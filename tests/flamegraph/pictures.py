"""Reading pictures back: what the tests look for in an SVG."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
_STROKE = re.compile(r"M(\d+) (\d+)h(\d+)")


class Stroke(NamedTuple):
    """One frame as drawn: pixels from the graph's left edge, the line from the top, the colour class."""

    x: float
    line: int
    width: float
    kind: str
    title: str | None


def parse(svg: str) -> ElementTree.Element:
    """The document; fails the test when it is not well-formed."""
    return ElementTree.fromstring(svg.encode())


def strokes(root: ElementTree.Element) -> list[Stroke]:
    """Every frame, class by class."""
    found = []
    for group in root.iterfind(f".//{SVG}g[@class='frames']/{SVG}g"):
        for path in group.iter(f"{SVG}path"):
            title = path.find(f"{SVG}title")
            for x, line, width in _STROKE.findall(path.attrib["d"]):
                told = None if title is None else title.text or ""
                found.append(Stroke(int(x) / 10, int(line), int(width) / 10, group.attrib["class"], told))
    return found


def labels(root: ElementTree.Element) -> list[ElementTree.Element]:
    """The text on frames."""
    return list(root.iterfind(f".//{SVG}g[@class='labels']/{SVG}text"))


def data(root: ElementTree.Element) -> dict[str, Any]:
    """The block the script works on."""
    block = root.find(f"{SVG}script[@type='application/json']")
    assert block is not None
    found = json.loads(block.text or "")
    assert isinstance(found, dict)
    return found


def tags(root: ElementTree.Element) -> list[str]:
    """Every element's name in document order, without the namespace."""
    return [element.tag.removeprefix(SVG) for element in root.iter()]


def texts(root: ElementTree.Element, kind: str) -> list[str]:
    """The text of every element of a class."""
    return [
        "".join(element.itertext()) for element in root.iter() if kind in element.get("class", "").split()
    ]
