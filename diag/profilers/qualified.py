"""Whole names of functions, ``Class.method``, found by file, line and short name in the compiled modules.

The fault handler tells short names only. What was compiled of a module lies beside it and is read in less
than a millisecond; where it does not, as for a program's own file, the source is compiled.
"""

import importlib.util
import marshal
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Final

from diag.profilers.tracebacks import Place

#: Flags, time and size stand before the code in a compiled file.
_HEADER: Final = 16


class QualifiedNames:
    """Looks names up; remembers what it read. Not thread-safe."""

    def __init__(self) -> None:
        self._files: dict[str, dict[tuple[str, int], str]] = {}

    def of(self, place: Place) -> str:
        """The whole name of the function at a place, or its short one."""
        known = self._files.get(place.file)
        if known is None:
            known = self._files[place.file] = _names(place.file)
            time.sleep(0)  # others may have the interpreter between two files
        return known.get((place.name, place.line), place.name)


def _names(file: str) -> dict[tuple[str, int], str]:
    return {
        (part.co_name, line): part.co_qualname
        for part in _codes(_compiled(file))
        for _, _, line in part.co_lines()
        if line is not None
    }


def _compiled(file: str) -> object:
    """The module's code, or None where neither its compiled form nor its source can be read."""
    try:
        return marshal.loads(Path(importlib.util.cache_from_source(file)).read_bytes()[_HEADER:])  # noqa: S302
    except (OSError, NotImplementedError, ValueError, EOFError, TypeError):
        pass
    try:
        return compile(Path(file).read_bytes(), file, "exec")
    except (OSError, ValueError, SyntaxError):
        return None


def _codes(code: object) -> Iterator[CodeType]:
    if isinstance(code, CodeType):
        yield code
        for constant in code.co_consts:
            yield from _codes(constant)
