"""From folded lines to a call tree, without splitting stacks into frames.

The callers of a line, all but its last frame, are looked up whole among the prefixes seen so far; unknown
ones are shortened frame by frame until a known prefix is met. Real profiles add one to two nodes a stack, so
the work per stack does not grow with its depth. Only nodes that have children need a key of that kind. The
last frame is an edge: the caller's node and the frame's name, two small numbers in one. Weights are summed by
edge, and an edge becomes a node when everything is read.

Memory. A prefix is about a kilobyte and a large profile has a million of them. Up to 8 MiB of prefixes, keys
are the prefixes themselves. Beyond, they are 64-bit hashes: of n prefixes, two share a hash with a chance of
n^2/2^65, which is 2 in 100 million for a file of 1.2 GB, and would then be drawn as one frame. The hash is
Python's own, SipHash with a key drawn at random for each process, so that no file can be made to collide.
Where that key is fixed (PYTHONHASHSEED), BLAKE2 with a random key takes its place, at half the speed.

Stacks of more than 16 KiB would be shortened at a cost that grows with the square of their depth. After the
first of them, unknown prefixes are walked from the root, edge by edge.
"""

from __future__ import annotations

import math
import os
import sys
from array import array
from collections.abc import Callable, Hashable

from flamegraph.profile import ROOT, Profile, Weight

EXACT_BYTES = 8 << 20
DEEPEST = 100_000
_LONG = 1 << 14
_COUNT_DIGITS = 18
# An edge is the caller's node in the upper half and the name's id in the lower; ids start at 1.
_SHIFT = 32


class TooDeep(Exception):
    """A stack of more than DEEPEST frames."""


class StackTree:
    """A tree that grows by folded lines. `exact_bytes` bounds the prefixes kept as they are."""

    def __init__(self, exact_bytes: int = EXACT_BYTES) -> None:
        self._known: dict[Hashable, int] = {}
        self._key: Callable[[bytes], Hashable] = bytes
        self._exact_left = exact_bytes
        self._names: dict[bytes, int] = {}
        self._edges = array("q", [ROOT])
        self._weights: dict[int, int] = {}
        self._fractions: dict[int, list[float]] = {}
        self._walked: dict[int, int] | None = None

    def add_lines(self, lines: list[bytes]) -> list[int]:
        """Adds all lines that are plainly a stack and a whole count; returns the places of the others.

        Raises TooDeep.
        """
        # The hot loop: everything rare is elsewhere.
        key, known, names = self._key, self._known.get, self._names.get
        weights = self._weights
        weight = weights.get
        others = []
        for place, line in enumerate(lines):
            callers, sep, last = line.rpartition(b";")
            frame, _, count = last.rpartition(b" ")
            if count.isdigit() and frame and len(count) <= _COUNT_DIGITS:
                node = known(key(callers))
                if node is None:
                    node = self._grow(callers, sep)
                name = names(frame)
                if name is None:
                    name = self._new_name(frame)
                edge = node + name
                weights[edge] = weight(edge, 0) + int(count)
            else:
                others.append(place)
        if self._exact_left < 0 and self._key is bytes:
            self._stop_keeping()
        return others

    def add(self, stack: bytes, weight: Weight) -> None:
        """Adds weight to one stack; empty frames at its end are dropped. Raises TooDeep."""
        callers, sep, frame = stack.rstrip(b";").rpartition(b";")
        edge = self._grow(callers, sep) + self._name(frame) if frame else ROOT
        if isinstance(weight, int):
            self._weights[edge] = self._weights.get(edge, 0) + weight
        else:
            self._fractions.setdefault(edge, []).append(weight)

    def profile(self, unit: str, metadata: dict[str, str]) -> Profile:
        """The finished profile; the tree must not be used again."""
        self._known = {}
        self._walked = None
        weights: dict[int, Weight] = self._weights  # type: ignore[assignment]
        for edge, parts in self._fractions.items():
            # Summed at once and exactly: a profile must not depend on the order of its lines.
            weights[edge] = math.fsum([weights.get(edge, 0), *parts])
        edges = self._edges
        column = [weights.pop(edge, 0) for edge in edges]
        column.extend(weights.values())
        edges.extend(weights)
        parent, name = _halves(edges)
        parent[ROOT] = -1
        return Profile(parent, name, column, [b"", *self._names], unit, metadata)

    def _name(self, frame: bytes) -> int:
        return self._names.get(frame) or self._new_name(frame)

    def _new_name(self, frame: bytes) -> int:
        name = self._names[frame] = len(self._names) + 1
        return name

    def _grow(self, callers: bytes, sep: bytes) -> int:
        """The node of callers not seen before, shifted, and all nodes missing on the way."""
        if not sep:
            return ROOT
        if self._walked is not None or len(callers) > _LONG or callers[:1] in (b"", b";"):
            return self._walk(callers)
        key, get = self._key, self._known.get
        missing = []
        prefix = callers
        node = get(key(prefix))
        while node is None:
            shorter, sep, frame = prefix.rpartition(b";")
            missing.append((key(prefix), self._name(frame)))
            node = get(key(shorter)) if sep else ROOT
            self._exact_left -= len(prefix)
            prefix = shorter
        for found, name in reversed(missing):
            node = self._known[found] = self._append(node + name)
        return node

    def _walk(self, callers: bytes) -> int:
        """The same from the root downwards. The node of the empty name at the root has no prefix either."""
        if callers.count(b";") >= DEEPEST - 1:
            raise TooDeep
        if self._walked is None:
            self._walked = {edge: node << _SHIFT for node, edge in enumerate(self._edges)}
        node = ROOT
        for frame in callers.split(b";"):
            edge = node + self._name(frame)
            found = self._walked.get(edge)
            if found is None:
                found = self._walked[edge] = self._append(edge)
            node = found
        if callers and len(callers) <= _LONG:
            self._known[self._key(callers)] = node
            self._exact_left -= len(callers)
        return node

    def _append(self, edge: int) -> int:
        self._edges.append(edge)
        return (len(self._edges) - 1) << _SHIFT

    def _stop_keeping(self) -> None:
        self._key = _hash_of_this_process()
        self._known = {self._key(prefix): node for prefix, node in self._known.items()}  # type: ignore[arg-type]


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
