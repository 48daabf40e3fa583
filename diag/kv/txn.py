"""Transactions: predicates over the state before, then one branch's operations in order.

Protocol sections 5.4 and 5.5.
"""

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from diag.kv import expiry
from diag.kv.commands import (
    FOREVER,
    Compare,
    Condition,
    Delete,
    DeleteByPrefix,
    Deleted,
    DeletedByPrefix,
    FetchIncrease,
    Get,
    Got,
    Increased,
    Lifetime,
    NoTarget,
    Operation,
    OperationReply,
    Predicate,
    PrefixCountIs,
    Put,
    PutSequential,
    SeqIs,
    Transacted,
    Transaction,
    ValueIs,
    WasPut,
)
from diag.kv.records import Change, Record
from diag.kv.writing import WriteTxn

_COMPARE: dict[Compare, Callable[[Any, Any], bool]] = {
    Compare.EQ: eq,
    Compare.GT: gt,
    Compare.GE: ge,
    Compare.LT: lt,
    Compare.LE: le,
    Compare.NE: ne,
}
_JSON_U64 = re.compile(rb"[ \t\r\n]*(0|[1-9][0-9]{0,19})[ \t\r\n]*")


class Step:
    """One entry being applied: writes records and gathers their changes."""

    def __init__(self, txn: WriteTxn, log_time_ms: int) -> None:
        self.txn = txn
        self.log_time_ms = log_time_ms
        self.changes: list[Change] = []

    def write(self, key: str, prev: Record | None, data: bytes, lifetime: Lifetime) -> Record | None:
        """Write a record under the next seq; None when it is expired already, and so gone again."""
        txn = self.txn
        expire = None if lifetime is FOREVER else expiry.expire_at(lifetime, self.log_time_ms)
        current = Record(txn.next_seq(), data, expire, self.log_time_ms)
        if expire is not None and expiry.is_expired(current, self.log_time_ms):
            if prev is not None:
                self.remove(key, prev)
            return None
        if expire is None and (prev is None or prev.expire_at is None):
            txn.put(key, current)
        else:
            expiry.write(txn, key, prev, current)
        self.changes.append(Change(key, prev, current))
        return current

    def remove(self, key: str, prev: Record) -> None:
        """Delete a record that is there."""
        expiry.remove(self.txn, key, prev)
        self.changes.append(Change(key, prev, None))


def transact(step: Step, transaction: Transaction) -> Transacted:
    """Execute the first branch whose predicate holds."""
    for number, (predicate, operations) in enumerate(transaction.branches):
        if predicate is None or _holds(step.txn, predicate):
            return Transacted(number, tuple([_execute(step, operation) for operation in operations]))
    return Transacted(None, ())


def _holds(txn: WriteTxn, predicate: Predicate) -> bool:
    any_of, predicates, conditions = predicate
    for inner in predicates:
        if _holds(txn, inner) is any_of:
            return any_of
    for condition in conditions:
        if _is_met(txn, condition) is any_of:
            return any_of
    # Nothing decided it. An empty OR is true as an empty AND is; one with members is then false.
    return not any_of or not (predicates or conditions)


def _is_met(txn: WriteTxn, condition: Condition) -> bool:
    match condition:
        case SeqIs(key, compare, seq):
            record = txn.get(key)
            return _COMPARE[compare](0 if record is None else record.seq, seq)
        case ValueIs(key, compare, value):
            record = txn.get(key)
            return record is not None and _COMPARE[compare](record.data, value)
        case PrefixCountIs(prefix, compare, count):
            return _COMPARE[compare](txn.count_prefix(prefix, count + 1), count)
        case NoTarget():
            return False


def _execute(step: Step, operation: Operation) -> OperationReply:
    match operation:
        case Put():
            return _put(step, operation)
        case Get(key):
            return Got(key, step.txn.get(key))
        case Delete():
            return _delete(step, operation)
        case DeleteByPrefix(prefix):
            return _delete_by_prefix(step, prefix)
        case FetchIncrease():
            return _fetch_increase(step, operation)
        case PutSequential():
            return _put_sequential(step, operation)


def _put(step: Step, operation: Put) -> WasPut:
    key, value, lifetime, match_seq = operation
    prev = step.txn.get(key)
    if match_seq is not None and match_seq != (0 if prev is None else prev.seq):
        return WasPut(key, prev, prev)
    return WasPut(key, prev, step.write(key, prev, value, lifetime))


def _delete(step: Step, operation: Delete) -> Deleted:
    key, match_seq = operation
    prev = step.txn.get(key)
    if prev is None or (match_seq is not None and match_seq != prev.seq):
        return Deleted(key, False, prev)
    step.remove(key, prev)
    return Deleted(key, True, prev)


def _delete_by_prefix(step: Step, prefix: str) -> DeletedByPrefix:
    # Gathered first: a cursor does not survive writes to its table.
    found = list(step.txn.scan(prefix))
    for key, prev in found:
        step.remove(key, prev)
    return DeletedByPrefix(prefix, len(found))


def _fetch_increase(step: Step, operation: FetchIncrease) -> Increased:
    key, delta, max_value, match_seq = operation
    prev = step.txn.get(key)
    before_seq = 0 if prev is None else prev.seq
    before = 0 if prev is None else _as_u64(prev.data)
    if match_seq is not None and match_seq != before_seq:
        return Increased(key, before_seq, before, before_seq, before)
    after = min(max(max(before, max_value) + delta, 0), expiry.U64_MAX)
    current = step.write(key, prev, b"%d" % after, FOREVER)
    return Increased(key, before_seq, before, before_seq if current is None else current.seq, after)


def _put_sequential(step: Step, operation: PutSequential) -> WasPut:
    number = _fetch_increase(step, FetchIncrease(operation.sequence_key, 1)).before
    key = operation.prefix + f"{number:027_d}"
    return _put(step, Put(key, operation.value, operation.lifetime))


def _as_u64(data: bytes) -> int:
    """A decimal JSON number in u64, 0 for anything else."""
    match = _JSON_U64.fullmatch(data)
    number = int(match[1]) if match else 0
    return number if number <= expiry.U64_MAX else 0
