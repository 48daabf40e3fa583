"""A store's tables, and the row of figures that is written in the transaction of the entries it counts.

Three tables: ``records`` (a ``KeyTree``), ``expiry`` ((expire_ms, seq) -> key) and ``meta``: the row, the
features, and what the log's engine keeps.
"""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

import lmdb

from diag.kv.keys import DIRECT, ROOT, Nodes

#: Keys of ``meta``.
STATE: Final = b"state"
FEATURES: Final = b"features"
LOG: Final = b"log"

#: A key of ``expiry``.
EXPIRY_KEY: Final = Struct(">QQ")

#: Bytes of the longest key that is one entry of ``records``, which needs no walk through the tree.
MAX_ROOT: Final = DIRECT - len(ROOT)

_ROW: Final = Struct("<QQQQQQQ")


class Position(NamedTuple):
    """The last applied entry's place in the log; zeros when there is none."""

    term: int = 0
    node_id: int = 0
    index: int = 0  # type: ignore[assignment]  # the log's own term, over tuple.index


class Tables(NamedTuple):
    records: "lmdb._Database"
    expiry: "lmdb._Database"
    meta: "lmdb._Database"


@dataclass
class State:
    """The ``meta`` table's row of figures."""

    applied: Position = field(default_factory=Position)
    seq: int = 0
    log_time: int = 0
    nodes: Nodes = field(default_factory=Nodes)

    @classmethod
    def unpack(cls, row: memoryview) -> "State":
        fields = _ROW.unpack(row)
        return cls(Position(*fields[:3]), fields[3], fields[4], Nodes(*fields[5:]))

    def pack(self) -> bytes:
        return _ROW.pack(*self.applied, self.seq, self.log_time, *self.nodes)
