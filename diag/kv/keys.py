"""Keys of any length up to 4 KiB, in exact byte order, over an engine that takes 511 bytes.

One engine table holds a tree of nodes. A node has a prefix (the root one zero
byte, any other a one byte and its id), and an entry's engine key is that prefix
and the rest of the key. What fits in 510 bytes is stored there. What does not
leaves its first 510 bytes and a marker byte in the node, 511 bytes in all, and
the marker's value is the id of the child node that holds the rest.

A marker is the only engine key of 511 bytes, and sorts right behind the entry that
ends where its chunk ends and before every other one: so a walk in engine order
that descends at each marker is a walk in byte order, and no write touches more
entries than the key has chunks.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

import lmdb

ROOT = b"\x00"
DIRECT = 510
_MARKER = b"\xff"
_CHILD = b"\x01"
_ID = Struct(">Q")


def after_all(prefix: bytes) -> bytes | None:
    """The least byte string above everything that starts with ``prefix``; None when there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


class Nodes(NamedTuple):
    """The tree's own numbers: the next node id, and how many nodes besides the root exist."""

    next_id: int = 1
    alive: int = 0


class KeyTree:
    """The tree inside one transaction, keys and values as bytes.

    Values read are views into the map, good until the next write or the end of the
    transaction. ``nodes`` is kept by the caller between transactions.
    """

    def __init__(self, txn: "lmdb.Transaction[memoryview]", table: "lmdb._Database", nodes: Nodes) -> None:
        self._txn = txn
        self._table = table
        self.nodes = nodes

    def get(self, key: bytes) -> memoryview | None:
        """The value of a key, None when absent."""
        place = self._find(key)
        return None if place is None else self._txn.get(place, db=self._table)

    def put(self, key: bytes, value: bytes) -> None:
        """Write a key, making the nodes on its way."""
        name = ROOT + key
        while len(name) > DIRECT:
            marker = name[:DIRECT] + _MARKER
            child = self._txn.get(marker, db=self._table)
            if child is None:
                node = _CHILD + _ID.pack(self.nodes.next_id)
                self._txn.put(marker, node, db=self._table)
                self.nodes = Nodes(self.nodes.next_id + 1, self.nodes.alive + 1)
            else:
                node = bytes(child)
            name = node + name[DIRECT:]
        self._txn.put(name, value, db=self._table)

    def delete(self, key: bytes) -> bool:
        """Remove a key and the nodes it leaves empty; whether it was there."""
        name = ROOT + key
        markers: list[tuple[bytes, bytes]] = []
        while len(name) > DIRECT:
            marker = name[:DIRECT] + _MARKER
            child = self._txn.get(marker, db=self._table)
            if child is None:
                return False
            node = bytes(child)
            markers.append((marker, node))
            name = node + name[DIRECT:]
        if not self._txn.delete(name, db=self._table):
            return False
        for marker, node in reversed(markers):
            if self._holds_any(node):
                break
            self._txn.delete(marker, db=self._table)
            self.nodes = Nodes(self.nodes.next_id, self.nodes.alive - 1)
        return True

    def walk(self, low: bytes, high: bytes | None) -> Iterator[tuple[bytes, memoryview]]:
        """Entries with ``low <= key < high`` in byte order; ``high`` None is the end."""
        return self._walk(ROOT, b"", low, high)

    def _find(self, key: bytes) -> bytes | None:
        name = ROOT + key
        while len(name) > DIRECT:
            child = self._txn.get(name[:DIRECT] + _MARKER, db=self._table)
            if child is None:
                return None
            name = bytes(child) + name[DIRECT:]
        return name

    def _holds_any(self, node: bytes) -> bool:
        cursor = self._txn.cursor(self._table)
        return bool(cursor.set_range(node) and bytes(cursor.key()).startswith(node))

    def _walk(
        self, node: bytes, path: bytes, low: bytes, high: bytes | None
    ) -> Iterator[tuple[bytes, memoryview]]:
        """One node's entries: ``path`` is what leads to it, ``low`` what is left of the lower bound."""
        head = len(node)
        first = node + low
        descend_low = b""
        if len(first) > DIRECT:
            descend_low = first[DIRECT:]
            first = first[:DIRECT] + _MARKER
        cursor = self._txn.cursor(self._table)
        if not cursor.set_range(first):
            return
        for name_view, value in cursor:
            name = bytes(name_view)
            if name[:head] != node:
                return
            key = path + name[head:DIRECT]
            if high is not None and key >= high:
                return
            if len(name) <= DIRECT:
                yield key, value
                continue
            rest = descend_low if name == first else b""
            yield from self._walk(bytes(value), key, rest, high)
