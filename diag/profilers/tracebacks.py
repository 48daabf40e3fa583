"""Reading of the stacks that the interpreter's fault handler writes, one after another, as text.

Each begins with a line ``Stack (most recent call first):``; marks written between them, ``@NAME``, say which
request the stacks of the event loop's thread since the last mark served. Two threads may write at the same
time: what does not end in a root, or goes on after it, is torn, is counted, and is left out.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

_HEAD = "Stack (most recent call first):"
_MARK = "@"
_LINE = re.compile(r'  File "(.+)", line (\d+|\?\?\?) in (.+)')
#: The fault handler stops here; the rest of a deeper stack is unknown.
_CUT = "  ..."
#: How a thread that Python started begins, and how the main one does.
_THREAD_ROOT = "_bootstrap"
_MAIN_ROOTS = ("<module>", "_run_module_as_main")


class Place(NamedTuple):
    """A function, by its short name, at a line of a file; line 0 is unknown."""

    name: str
    file: str
    line: int


Places = tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Tracebacks:
    """How often each stack, outermost frame first, was seen, with the request it served or None."""

    counts: Counter[tuple[str | None, Places]] = field(default_factory=Counter)
    torn: int = 0
    cut: int = 0


def read_tracebacks(written: bytes) -> Tracebacks:
    """Take apart what was written; a last stack without its end counts as torn."""
    counts: Counter[tuple[str | None, Places]] = Counter()
    torn = cut = 0
    unmarked: list[Places] = []
    for chunk in written.decode("utf-8", "replace").split(f"{_HEAD}\n"):
        lines = chunk.splitlines()
        marks = [line[len(_MARK) :] for line in lines if line.startswith(_MARK)]
        lines = [line for line in lines if not line.startswith(_MARK)]
        if lines:
            stack, deep = _stack(lines)
            cut += deep
            if stack is None:
                torn += 1
            elif stack[0].name == _THREAD_ROOT:
                counts[None, stack] += 1
            else:
                unmarked.append(stack)
        if marks:
            counts.update((marks[0] or None, stack) for stack in unmarked)
            unmarked.clear()
    counts.update((None, stack) for stack in unmarked)
    return Tracebacks(counts, torn, cut)


def _stack(lines: list[str]) -> tuple[Places | None, bool]:
    """The stack of these lines, None when it is torn; and whether it was too deep to be written whole."""
    deep = lines[-1] == _CUT
    found = [_LINE.fullmatch(line) for line in (lines[:-1] if deep else lines)]
    places = [Place(match[3], match[1], _number(match[2])) for match in found if match]
    if len(places) < len(found) or not places:
        return None, False
    threads = [at for at, place in enumerate(places) if _is_thread_root(place)]
    if deep:
        return (None, False) if threads else (tuple(reversed(places)), True)
    whole = threads == [len(places) - 1] or (not threads and places[-1].name in _MAIN_ROOTS)
    return (tuple(reversed(places)) if whole else None), False


def _is_thread_root(place: Place) -> bool:
    return place.name == _THREAD_ROOT and place.file.endswith("threading.py")


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
