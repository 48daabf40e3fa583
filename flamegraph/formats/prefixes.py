"""From folded lines to a call tree, without splitting stacks into frames.

The callers of a line, all but its last frame, are looked up whole among the prefixes seen so far; unknown
ones are shortened frame by frame until a known prefix is met. Real profiles add one to two nodes a stack, so
the work per stack does not grow with its depth. Only nodes that have children need a key of that kind. The
last frame is an edge: the caller's node and the frame's name, two small numbers in one. Weights are summed by
edge, and an edge becomes a node when everything is read.

Memory. A prefix is about a kilobyte and a large profile has a million of them. Up to 256 KiB of prefixes,
keys are the prefixes themselves. Beyond, they are 64-bit hashes: of n prefixes, two share a hash with a
chance of n^2/2^65, which is 2 in 100 million for a file of 1.2 GB, and would then be drawn as one frame. The
hash is Python's own, SipHash with a key drawn at random for each process, so that no file can be made to
collide. Where that key is fixed (PYTHONHASHSEED), BLAKE2 with a random key takes its place, at half the
speed. To keep and compare the prefixes takes a fifth of the time of reading them, so the budget is small.

Stacks of more than 16 KiB would be shortened at a cost that grows with the square of their depth. After the
first of them, unknown prefixes are walked from the root, edge by edge.
"""

from __future__ import annotations

import math
import os
import sys
from array import array
from collections.abc import Callable, Hashable, Iterable
from itertools import repeat

from flamegraph.formats.lines import LONGEST_LINE
from flamegraph.profile import ROOT, Profile, Weight

EXACT_BYTES = 1 << 18
DEEPEST = 100_000
_LONG = 1 << 14
_COUNT_DIGITS = 18
#: What may be a header and not a stack; whoever takes the other lines tells.
_COMMENT = b"# "
_ENDS_KEPT = 1 << 14
# An edge is the name's id, from 1, in the upper half and the caller's node in the lower. The other way round,
# the many edges of one name would begin at one place of the dictionary and be searched for one after another.
_SHIFT = 32


class TooDeep(Exception):
    """A stack of more than DEEPEST frames, or a line too long to be one, in line `line`."""

    line = 0


class StackTree:
    """A tree that grows by folded lines. `exact_bytes` bounds the prefixes kept as they are."""

    def __init__(self, exact_bytes: int = EXACT_BYTES) -> None:
        self._key: Callable[[bytes], Hashable] = bytes
        self._known: dict[Hashable, int] = {}
        self._exact_left = exact_bytes
        self._names: dict[bytes, int] = {}
        self._ends: dict[bytes, tuple[int, int]] = {}
        self._edges = array("q", [ROOT])
        self._weights: dict[int, int] = {}
        self._fractions: dict[int, list[float]] = {}
        self._walked: dict[int, int] | None = None

    def add_lines(self, lines: Iterable[bytes], other: Callable[[int, bytes], None], first: int = 1) -> None:
        """Adds all lines that are plainly a stack and a whole count; hands the others to `other`, with their
        number. Lines may have their ends. Raises TooDeep."""
        # The hot loop: everything rare is elsewhere.
        key, known, ends = self._key, self._known.get, self._ends.get
        weights = self._weights
        weight = weights.get
        number = first
        try:
            for number, line in enumerate(lines, first):
                callers, sep, last = line.rpartition(b";")
                end = ends(last)
                if end is None:
                    end = self._new_end(last, line)
                    if end is None:
                        other(number, line)
                        key, known = self._key, self._known.get
                        continue
                node = known(key(callers))
                if node is None:
                    node = self._grow(callers, sep)
                    key, known = self._key, self._known.get
                name, count = end
                edge = node + name
                weights[edge] = weight(edge, 0) + count
        except TooDeep as error:
            error.line = number
            raise

    def add(self, stack: bytes, weight: Weight) -> None:
        """Adds weight to one stack; empty frames at its end are dropped. Raises TooDeep."""
        callers, sep, frame = stack.rstrip(b";").rpartition(b";")
        node = self._known.get(self._key(callers))
        if node is None:
            node = self._grow(callers, sep)
        edge = node + self._name(frame) if frame else ROOT
        if isinstance(weight, int):
            self._weights[edge] = self._weights.get(edge, 0) + weight
        else:
            self._fractions.setdefault(edge, []).append(weight)

    def is_empty(self) -> bool:
        """Whether nothing was added so far."""
        return not self._weights and not self._fractions

    def profile(self, unit: str, metadata: dict[str, str]) -> Profile:
        """The finished profile; the tree must not be used again."""
        self._known, self._ends, self._walked = {}, {}, None
        weights: dict[int, Weight] = self._weights  # type: ignore[assignment]
        for edge, parts in self._fractions.items():
            # Summed at once and exactly: a profile must not depend on the order of its lines.
            weights[edge] = math.fsum([weights.get(edge, 0), *parts])
        edges = self._edges
        column = list(map(weights.pop, edges, repeat(0)))
        column.extend(weights.values())
        edges.extend(weights)
        name, parent = _halves(edges)
        parent[ROOT] = -1
        return Profile(parent, name, column, [b"", *self._names], unit, metadata)

    def _name(self, frame: bytes) -> int:
        return self._names.get(frame) or self._new_name(frame)

    def _new_name(self, frame: bytes) -> int:
        name = self._names[frame] = (len(self._names) + 1) << _SHIFT
        return name

    def _new_end(self, last: bytes, line: bytes) -> tuple[int, int] | None:
        """The name and the count in a line's last frame; None if they are not plainly there. Few ends differ
        in a large file, so they are kept."""
        if len(line) > LONGEST_LINE or (len(line) == LONGEST_LINE and not last.endswith(b"\n")):
            raise TooDeep
        frame, _, count = last.rpartition(b" ")
        count = count.removesuffix(b"\n").removesuffix(b"\r")
        if not count.isdigit() or not frame or len(count) > _COUNT_DIGITS or frame.startswith(_COMMENT):
            return None
        if len(self._ends) >= _ENDS_KEPT:
            self._ends.clear()
        end = self._ends[last] = self._names.get(frame) or self._new_name(frame), int(count)
        return end

    def _grow(self, callers: bytes, sep: bytes) -> int:
        """The node of callers not seen before, and all nodes missing on the way."""
        if not sep:
            return ROOT
        if self._walked is not None or len(callers) > _LONG or callers[:1] in (b"", b";"):
            return self._walk(callers)
        key, known, names, edges = self._key, self._known, self._names, self._edges
        missing = []
        shorter = callers
        node: int | None = None
        while node is None:
            unknown = key(shorter)
            shorter, sep, frame = shorter.rpartition(b";")
            missing.append((unknown, names.get(frame) or self._new_name(frame)))
            node = known.get(key(shorter)) if sep else ROOT
        missing.reverse()
        for unknown, name in missing:
            known[unknown] = new = len(edges)
            edges.append(node + name)
            node = new
        if self._key is bytes:
            self._exact_left -= len(callers) * len(missing)
            if self._exact_left < 0:
                self._stop_keeping()
        return node

    def _walk(self, callers: bytes) -> int:
        """The same from the root downwards. The node of the empty name at the root has no prefix either."""
        if len(callers) >= LONGEST_LINE or callers.count(b";") >= DEEPEST - 1:
            raise TooDeep
        if self._walked is None:
            self._walked = {edge: node for node, edge in enumerate(self._edges)}
        node = ROOT
        for frame in callers.split(b";"):
            edge = node + self._name(frame)
            found = self._walked.get(edge)
            if found is None:
                found = self._walked[edge] = self._append(edge)
            node = found
        if callers and len(callers) <= _LONG:
            self._known[self._key(callers)] = node
        return node

    def _append(self, edge: int) -> int:
        self._edges.append(edge)
        return len(self._edges) - 1

    def _stop_keeping(self) -> None:
        self._key = key = _hash_of_this_process()
        self._known = {key(prefix): node for prefix, node in self._known.items()}  # type: ignore[arg-type]


def _hash_of_this_process() -> Callable[[bytes], int]:
    if sys.flags.hash_randomization and os.environ.get("PYTHONHASHSEED", "random") == "random":
        return hash
    from hashlib import blake2b

    secret = os.urandom(16)
    return lambda prefix: int.from_bytes(blake2b(prefix, digest_size=8, key=secret).digest(), "little")


def _halves(edges: array[int]) -> tuple[array[int], array[int]]:
    """The upper halves of all edges and the lower ones."""
    halves = array("i", edges.tobytes())
    upper, lower = halves[1::2], halves[::2]
    return (upper, lower) if sys.byteorder == "little" else (lower, upper)
