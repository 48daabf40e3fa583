"""Reading pictures back: what the tests look for in an SVG."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    """The document; fails the test when it is not well-formed."""
    return ElementTree.fromstring(svg.encode())


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
