"""Text that fits: characters XML can hold, escaping, and the room a label needs in a monospace font."""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ANNOTATION = re.compile(r"_\[[kwij]\]$")


def clean(text: str) -> str:
    """The text with every character that XML 1.0 forbids replaced by U+FFFD."""
    return _ILLEGAL.sub("\ufffd", text)


def escape(text: str) -> str:
    """The text as XML character data, safe in quoted attributes too."""
    return (
        clean(text)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("\r", "&#13;")
    )


def shown_name(name: str) -> str:
    """A frame's name as drawn: without the `_[k]`, `_[w]`, `_[i]` or `_[j]` that marks its kind."""
    return clean(_ANNOTATION.sub("", name))


def cells(text: str) -> int:
    """Columns the text takes in a monospace font: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def fit(text: str, room: float) -> str:
    """The text, shortened at its end with an ellipsis to at most `room` cells; empty if under three fit."""
    if cells(text) <= room:
        return text
    if room < 3:
        return ""
    used = 0
    for position, character in enumerate(text):
        used += _cells(character)
        if used > room - 1:
            return text[:position] + ELLIPSIS
    return text


def wrap(text: str, room: int) -> list[str]:
    """Lines of at most `room` cells, broken at spaces where there are any."""
    lines = [""]
    for word in re.split(r"(\s+)", text):
        if cells(lines[-1] + word) <= room:
            lines[-1] += word
            continue
        lines.append(word.lstrip())
        while cells(lines[-1]) > room:
            cut = len(fit(lines[-1], room)) - 1
            lines[-1:] = [lines[-1][:cut], lines[-1][cut:]]
    return [line.rstrip() for line in lines if line.strip()]


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
