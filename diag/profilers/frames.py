"""Names of frames, and folded lines of them: one form whichever engine saw the stack.

The form is py-spy's: ``Class.method (package/module.py:line)``, the file shortened to its part from the
outermost package on, so that two machines name the same frame alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType

_UNSAFE = str.maketrans({";": ":", "\n": " ", "\r": " ", "\t": " "})

# Frames as (code, line) pairs, outermost first: cheap to take, named later and elsewhere.
RawStack = tuple[tuple[CodeType, int], ...]


class FrameNames:
    """Names frames; remembers what it shortened. Not thread-safe."""

    def __init__(self) -> None:
        self._short: dict[str, str] = {}

    def short(self, filename: str) -> str:
        """The file's path from its outermost package on, or its bare name outside any package."""
        known = self._short.get(filename)
        if known is None:
            known = self._short[filename] = _shorten(filename)
        return known

    def text(self, function: str, filename: str, line: int) -> str:
        """One frame, safe inside a folded line."""
        return safe(f"{function} ({self.short(filename)}:{line})")

    def of_code(self, code: CodeType, line: int) -> str:
        """One frame of the running interpreter."""
        return self.text(code.co_qualname, code.co_filename, line)

    def stack(self, raw: Sequence[tuple[CodeType, int]]) -> str:
        """A whole stack joined by semicolons."""
        return ";".join(self.of_code(code, line) for code, line in raw)


def safe(name: str) -> str:
    """A name as it may stand inside a folded line."""
    return name.translate(_UNSAFE)


def _shorten(filename: str) -> str:
    path = Path(filename)
    if not path.is_absolute():
        return filename
    parent = path.parent
    while (parent / "__init__.py").exists() and parent != parent.parent:
        parent = parent.parent
    return str(path.relative_to(parent))


def raw_stack(frame: FrameType | None) -> RawStack:
    """The stack that ends in ``frame``, outermost first."""
    found: list[tuple[CodeType, int]] = []
    while frame is not None:
        # f_lineno is None while a frame is being set up or torn down
        found.append((frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno))
        frame = frame.f_back
    found.reverse()
    return tuple(found)


def fold(weights: Mapping[str, int]) -> bytes:
    """Folded lines of the stacks with a positive weight, heaviest first."""
    ordered: Iterable[tuple[str, int]] = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return "".join(f"{stack} {count}\n" for stack, count in ordered if stack and count > 0).encode()
