"""Colours that depend on the frame's name alone: the same in every run, process and picture.

Sixteen classes, four hues of four shades. The module part of a name picks the hue and the function part the
shade, so that frames of one module look alike. Names without a module part spread over all classes.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from zlib import crc32

_SHADES = 4
_MODULE_IN_BRACKETS = re.compile(r"(.+) \(([^()]+?)(?::\d+)?\)$")
_MODULE_BEFORE = re.compile(r"(.*?)(?:::|[`/.])([^`/.:]+)$")
_DECLARATION = re.compile(r"\b([a-z-]+):var\(--fg-([a-z0-9-]+)\)")


class Theme(NamedTuple):
    """All colours of one picture, as `#rrggbb`. Each text colour has a contrast of 4.5:1 or more."""

    classes: tuple[str, ...]
    root: str
    match: str
    label: str
    match_label: str
    background: str
    text: str
    muted: str
    accent: str
    line: str


LIGHT = Theme(
    classes=(
        "#f1785f",
        "#f38872",
        "#f49885",
        "#f6a798",
        "#f38d49",
        "#f59c61",
        "#f6ab79",
        "#f8ba91",
        "#f5ab3d",
        "#f6b655",
        "#f7c06e",
        "#f9cd8b",
        "#f1cb41",
        "#f3d35e",
        "#f5da7a",
        "#f7e297",
    ),
    root="#d8d4ce",
    match="#7a3fd1",
    label="#201408",
    match_label="#ffffff",
    background="#ffffff",
    text="#1c1b1a",
    muted="#5c5853",
    accent="#6a2fc0",
    line="#c9c4bc",
)

DARK = Theme(
    classes=(
        "#733026",
        "#7e352a",
        "#8a3a2e",
        "#953f32",
        "#6b381f",
        "#773e22",
        "#824526",
        "#8c4a29",
        "#5d3d19",
        "#69451c",
        "#734b1f",
        "#7d5221",
        "#4f3e17",
        "#59461a",
        "#634e1d",
        "#6d5620",
    ),
    root="#3b3d44",
    match="#c9a6ff",
    label="#fbf3ea",
    match_label="#1b0b33",
    background="#17181c",
    text="#ececee",
    muted="#a3a5ad",
    accent="#c9a6ff",
    line="#45474f",
)


def color_class(name: str) -> int:
    """The class of a frame, 0..15."""
    match = _MODULE_IN_BRACKETS.match(name)
    if match:
        function, module = match.groups()
    else:
        match = _MODULE_BEFORE.match(name)
        if not match:
            return _hash(name) % (_SHADES * _SHADES)
        module, function = match.groups()
    return _SHADES * (_hash(module) % _SHADES) + _hash(function) % _SHADES


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two `#rrggbb` colours by WCAG 2, 1..21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def stylesheet(rules: str) -> str:
    """`rules` with the palette before them: the light theme, and the dark one for readers who prefer it.

    Rules name colours as `var(--fg-NAME)`. A program that draws SVG but knows no CSS variables takes the
    light colour, which is put in front of each such declaration.
    """
    classes = "".join(f".flamegraph .c{i}{{fill:var(--fg-c{i})}}\n" for i in range(len(LIGHT.classes)))
    light = _named(LIGHT)
    return (
        f".flamegraph{{{_variables(LIGHT)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.flamegraph{{{_variables(DARK)}}}}}\n"
        + _DECLARATION.sub(lambda rule: f"{rule[1]}:{light[rule[2]]};{rule[0]}", classes + rules)
    )


def _named(theme: Theme) -> dict[str, str]:
    named = {f"c{i}": color for i, color in enumerate(theme.classes)}
    for field in theme._fields[1:]:
        named[field.replace("_", "-")] = getattr(theme, field)
    return named


def _variables(theme: Theme) -> str:
    return ";".join(f"--fg-{name}:{color}" for name, color in _named(theme).items())


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass")) >> 8


def _luminance(color: str) -> float:
    linear = []
    for start in (1, 3, 5):
        channel = int(color[start : start + 2], 16) / 255
        linear.append(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
