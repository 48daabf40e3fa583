"""Text that fits: characters XML can hold, escaping, and the room a label needs in a monospace font."""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"
_LONGEST = 2000
#: No script joins more combining characters to one that takes room.
_CHARACTERS_A_CELL = 32
#: What XML 1.0 forbids, and what turns the direction of text: a name is to read as it is, and nothing else.
_ILLEGAL = "[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
_ANNOTATIONS = ("_[k]", "_[w]", "_[i]", "_[j]")


def clean(text: str) -> str:
    """The text with every character that XML 1.0 forbids, or that turns its direction, replaced by U+FFFD."""
    return text if text.isascii() and text.isprintable() else re.sub(_ILLEGAL, "\ufffd", text)


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
    """A frame's name as drawn: without the `_[k]`, `_[w]`, `_[i]` or `_[j]` that marks its kind, and not
    longer than a reader could want it."""
    if len(name) > _LONGEST:
        name = name[: _LONGEST - 1] + ELLIPSIS
    elif name.endswith(_ANNOTATIONS):
        name = name[:-4]
    return clean(name)


def cells(text: str) -> int:
    """Columns the text takes in a monospace font: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def fit(text: str, room: float) -> str:
    """The text, shortened at its end with an ellipsis to at most `room` cells; empty if under three fit."""
    if text.isascii():
        if len(text) <= room:
            return text
        return text[: int(room) - 1] + ELLIPSIS if room >= 3 else ""
    return _fit_wide(text, room)


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


def _fit_wide(text: str, room: float) -> str:
    used = 0
    kept = 0
    limit = int(room + 1) * _CHARACTERS_A_CELL
    for position, character in enumerate(text[:limit]):
        used += _cells(character)
        if used <= room - 1:
            kept = position + 1
        elif used > room:
            break
    else:
        if len(text) <= limit:
            return text
    return text[:kept] + ELLIPSIS if room >= 3 else ""


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
