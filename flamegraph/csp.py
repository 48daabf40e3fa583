"""Hashes for a content security policy: the scripts and style sheets of all pictures and pages are constant.

A page that shows pictures allows them with `script-src 'sha256-...'` and `style-src 'sha256-...'` and
nothing more: no attribute of a picture holds script or style.
"""

from __future__ import annotations

import base64
import hashlib

from flamegraph.assets import page_script, picture_script
from flamegraph.colors import PALETTES, coloring
from flamegraph.palettes import change
from flamegraph.style import page_style, picture_style


def csp_hash(text: str) -> str:
    """The source expression, `'sha256-...'` with its quotes, of an inline script or style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def csp_hashes() -> dict[str, list[str]]:
    """Every hash by directive, `script-src` and `style-src`: the pictures' first, then the HTML form's.

    Pictures have one style sheet a palette, in the order of PALETTES, that of comparisons after them.
    """
    drawn = [coloring(name).palette() for name in PALETTES]
    styles = [*map(picture_style, [*drawn, change()]), page_style()]
    return {
        "script-src": [csp_hash(picture_script()), csp_hash(page_script())],
        "style-src": [csp_hash(text) for text in dict.fromkeys(styles)],
    }
