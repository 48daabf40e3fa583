"""What the log keeps with the state, in its transaction: the same on every node at the same entry.

Where the log is (cluster, version, revision), which process writes for each node and its last record's
number, and which snapshots are known to be durable where.
"""

from dataclasses import dataclass, field
from typing import Self

import msgpack

from diag.errors import NewerFormat

_FORMAT = 1

#: Snapshot marks remembered. Compaction asks for the newest that a majority holds.
_MARKS_KEPT = 4


@dataclass
class Mark:
    """A snapshot command's place, and the content hash each node reported for the state after it."""

    index: int
    revision: int
    hashes: dict[int, str] = field(default_factory=dict)


@dataclass
class Ledger:
    """``cluster`` names the log this state is of; ``version`` and ``revision`` its last record here."""

    cluster: bytes = b""
    version: int = 0
    revision: int = 0
    writers: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)

    @classmethod
    def unpack(cls, row: bytes) -> Self:
        """Of a stored row; an empty one is the beginning."""
        if not row:
            return cls()
        form, *fields = msgpack.unpackb(row, strict_map_key=False, use_list=False)
        if form != _FORMAT:
            raise NewerFormat(f"The log's state has format {form}, this program reads {_FORMAT}; update it.")
        cluster, version, revision, writers, marks = fields
        return cls(
            cluster,
            version,
            revision,
            {node_id: (incarnation, number) for node_id, incarnation, number in writers},
            [Mark(index, place, dict(hashes)) for index, place, hashes in marks],
        )

    def pack(self) -> bytes:
        """The row; equal for equal contents."""
        writers = [(node_id, *writer) for node_id, writer in sorted(self.writers.items())]
        marks = [(mark.index, mark.revision, sorted(mark.hashes.items())) for mark in self.marks]
        packed = msgpack.packb((_FORMAT, self.cluster, self.version, self.revision, writers, marks))
        return bytes(packed)

    def mark(self, index: int, revision: int) -> None:
        """A snapshot command was applied as ``index``."""
        self.marks = [*self.marks[1 - _MARKS_KEPT :], Mark(index, revision)]

    def report(self, node_id: int, index: int, content_hash: str) -> None:
        """A node holds a durable snapshot; one of a mark that is forgotten counts for nothing any more."""
        for mark in self.marks:
            if mark.index == index:
                mark.hashes[node_id] = content_hash
