"""Colours that depend on the frame's name alone: the same in every run, process and picture.

A picker turns a name into a class of its palette. The usual one gives four hues of four shades: the module
part of a name picks the hue and the function part the shade, so that frames of one module look alike. Names
without a module part spread over all classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from zlib import crc32

from flamegraph import palettes
from flamegraph.errors import OptionError
from flamegraph.palettes import CLASSES, GREY_CLASS, UNCHANGED, Palette
from flamegraph.record import Record

_SHADES = 4
_PACKAGE_SHADES = 2
_MODULE_BEFORE = re.compile(r"(.*?)(?:::|[`/.])([^`/.:]+)$", re.DOTALL)
_FIRST_PART = r"[^/\\.:`]+"
_FRAMEWORK = (
    r"_\[[ki]\]$|(?:site|dist)-packages|[/\\]lib[/\\]python\d|<frozen |\(std(?:lib)?[/:]"
    r"|^(?:std|core|alloc)::|^\[|^(?:java|javax|jdk|sun|scala|kotlin)[./]|^runtime\.|^node:|[( ]node:internal"
)
_SPREAD = 2.0
_LONGEST = 1000
#: A service draws the functions of one program again and again.
_REMEMBERED = 8192


class Coloring(Record):
    """A palette and what picks the class of a frame from its name, marks of its kind included."""

    palette: Callable[[], Palette]
    pick: Callable[[str], int]


def color_class(name: str) -> int:
    """The class of a frame by module and function, 0..15."""
    return _color_class(name[:_LONGEST])


@lru_cache(_REMEMBERED)
def _color_class(name: str) -> int:
    module, function = _parts(name)
    if module is None:
        return _hash(name) % CLASSES
    return _SHADES * (_hash(module) % _SHADES) + _hash(function) % _SHADES


def package_class(name: str) -> int:
    """The class of a frame by the package it belongs to, 0..15: a hue a package, shades by module."""
    module, _ = _parts(name[:_LONGEST])
    first = re.search(_FIRST_PART, module or name)
    hue = _hash(first[0] if first else name) % (CLASSES // _PACKAGE_SHADES)
    return _PACKAGE_SHADES * hue + _hash(module or name) % _PACKAGE_SHADES


def own_code_class(name: str) -> int:
    """As `color_class`, but grey for frames of the language, the kernel and installed packages."""
    return GREY_CLASS if re.search(_FRAMEWORK, name[:_LONGEST]) else color_class(name)


def change_class(change: float, significance: float) -> int:
    """The class of a change of share, 0..16: `change` is its logarithm to base two, held to -2..2, and
    `significance` (0..1) fades it towards the unchanged."""
    strength = max(-1.0, min(1.0, change / _SPREAD)) * significance
    return UNCHANGED + round(strength * UNCHANGED)


def coloring(name: str) -> Coloring:
    """The colouring of that name; raises OptionError with the known ones."""
    try:
        return _COLORINGS[name]
    except KeyError:
        raise OptionError(
            f"The palette {name!r} is not known; choose one of {', '.join(PALETTES)}."
        ) from None


_COLORINGS = {
    "hot": Coloring(palettes.hot, color_class),
    "package": Coloring(palettes.package, package_class),
    "app": Coloring(palettes.hot, own_code_class),
    "memory": Coloring(palettes.memory, color_class),
    "io": Coloring(palettes.io, color_class),
}
PALETTES = tuple(_COLORINGS)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two `#rrggbb` colours by WCAG 2, 1..21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _parts(name: str) -> tuple[str | None, str]:
    if name.endswith(")"):
        function, bracket, module = name[:-1].rpartition(" (")
        if bracket and function and module and "(" not in module and ")" not in module:
            file, _, line = module.rpartition(":")
            return (file if file and line.isdigit() else module), function
    match = _MODULE_BEFORE.match(name)
    return (match[1], match[2]) if match else (None, name)


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass")) >> 8


def _luminance(color: str) -> float:
    linear = []
    for start in (1, 3, 5):
        channel = int(color[start : start + 2], 16) / 255
        linear.append(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
