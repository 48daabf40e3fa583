"""What the log carries: one command a proposal, and the reply each gets when applied.

Values mirror the wire (protocol sections 5.1, 5.4, 5.5) without depending on it:
the RPC layer translates protobuf and JSON into these, and back. Plain tuples,
because one is made for every request.
"""

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from diag.kv.records import Record


class MatchSeq(NamedTuple):
    """A condition on the seq of the record in place; absent counts as seq 0.

    ``exact`` alone: seq == exact; ``at_least`` alone: seq >= at_least; neither: always.
    """

    exact: int | None = None
    at_least: int | None = None

    def holds(self, seq: int) -> bool:
        """Whether a record of this seq satisfies the condition."""
        if self.exact is not None:
            return seq == self.exact
        return self.at_least is None or seq >= self.at_least


class Lifetime(NamedTuple):
    """When a record expires; ``ttl_ms`` wins over ``expire_at`` (seconds or ms)."""

    expire_at: int | None = None
    ttl_ms: int | None = None


FOREVER = Lifetime()


class AsIs(NamedTuple):
    """Keep the data, replace the lifetime; on an absent key do nothing."""


class Upsert(NamedTuple):
    """KvApi's write. ``value``: bytes writes, None deletes, ``AsIs()`` only renews."""

    key: str
    match: MatchSeq
    value: bytes | AsIs | None
    lifetime: Lifetime = FOREVER


class Get(NamedTuple):
    key: str


class Put(NamedTuple):
    key: str
    value: bytes
    lifetime: Lifetime = FOREVER
    match_seq: int | None = None


class Delete(NamedTuple):
    key: str
    match_seq: int | None = None


class DeleteByPrefix(NamedTuple):
    prefix: str


class FetchIncrease(NamedTuple):
    key: str
    delta: int
    max_value: int = 0
    match_seq: int | None = None


class PutSequential(NamedTuple):
    prefix: str
    sequence_key: str
    value: bytes
    lifetime: Lifetime = FOREVER


Operation: TypeAlias = Get | Put | Delete | DeleteByPrefix | FetchIncrease | PutSequential


class Compare(IntEnum):
    """``stored <op> given``; numbers as on the wire."""

    EQ = 0
    GT = 1
    GE = 2
    LT = 3
    LE = 4
    NE = 5


class SeqIs(NamedTuple):
    key: str
    compare: Compare
    seq: int


class ValueIs(NamedTuple):
    key: str
    compare: Compare
    value: bytes


class PrefixCountIs(NamedTuple):
    prefix: str
    compare: Compare
    count: int  # type: ignore[assignment]  # the wire's name, over tuple.count


class NoTarget(NamedTuple):
    """A condition sent without a target: always false."""

    key: str


Condition: TypeAlias = SeqIs | ValueIs | PrefixCountIs | NoTarget


class Predicate(NamedTuple):
    """Sub-expressions first, then conditions, with short circuit; empty AND is true, empty OR is true."""

    any_of: bool = False
    predicates: "tuple[Predicate, ...]" = ()
    conditions: tuple[Condition, ...] = ()


class Branch(NamedTuple):
    """Operations behind a predicate; None holds always."""

    predicate: Predicate | None
    operations: tuple[Operation, ...]


class Transaction(NamedTuple):
    """The first branch whose predicate holds is executed; predicates see the state before any operation."""

    branches: tuple[Branch, ...]


class SetFeature(NamedTuple):
    feature: str
    enable: bool


class Blank(NamedTuple):
    """An entry that changes nothing and purges nothing; applied, it shows that the log takes entries."""


Command: TypeAlias = Upsert | Transaction | SetFeature | Blank


class Upserted(NamedTuple):
    """``prev`` equals ``result`` when the seq condition failed."""

    prev: Record | None
    result: Record | None


class Got(NamedTuple):
    key: str
    value: Record | None


class WasPut(NamedTuple):
    key: str
    prev: Record | None
    current: Record | None


class Deleted(NamedTuple):
    key: str
    success: bool
    prev: Record | None


class DeletedByPrefix(NamedTuple):
    prefix: str
    count: int  # type: ignore[assignment]  # the wire's name, over tuple.count


class Increased(NamedTuple):
    key: str
    before_seq: int
    before: int
    after_seq: int
    after: int


OperationReply: TypeAlias = Got | WasPut | Deleted | DeletedByPrefix | Increased


class Transacted(NamedTuple):
    """``branch`` is the executed branch's index, None when none held."""

    branch: int | None
    responses: tuple[OperationReply, ...]


class FeaturesAre(NamedTuple):
    enabled: tuple[str, ...]


class Blanked(NamedTuple):
    """The reply to ``Blank``."""


Reply: TypeAlias = Upserted | Transacted | FeaturesAre | Blanked
