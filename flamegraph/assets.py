"""The text files a picture carries: the viewer's script, made of its parts, and style rules."""

from __future__ import annotations

import os
from functools import cache

#: In the order they are put together: each part uses only what stands before it.
_PARTS = (
    "text.js",
    "frames.js",
    "search.js",
    "address.js",
    "paint.js",
    "tip.js",
    "tools.js",
    "sizes.js",
    "state.js",
    "keys.js",
    "viewer.js",
)


@cache
def asset(name: str) -> str:
    """One file as it is."""
    # Without pathlib, which takes longer to load than a small picture to draw.
    with open(os.path.join(os.path.dirname(__file__), "viewer", name), encoding="utf-8") as file:  # noqa: PTH118, PTH120, PTH123
        return file.read()


@cache
def picture_script() -> str:
    """The one script of all pictures, without its comments and indentation."""
    return "\n" + _bare('(function () {\n"use strict";\n' + "".join(map(asset, _PARTS)) + "})();\n")


@cache
def page_script() -> str:
    """The script that sorts a page's table and ties it to the picture."""
    return "\n" + _bare(asset("page.js"))


def _bare(script: str) -> str:
    lines = map(str.strip, script.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))
