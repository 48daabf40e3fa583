"""Applying one command: what expired is purged first, then the command changes the state.

Deterministic: the outcome follows from the state, the command and the log time alone.
"""

from collections.abc import Iterable

from diag.errors import InvalidRequest, MessageTooLarge
from diag.kv import expiry
from diag.kv.commands import (
    FOREVER,
    AsIs,
    Blank,
    Blanked,
    Command,
    DeleteByPrefix,
    FeaturesAre,
    Lifetime,
    Operation,
    Predicate,
    PrefixCountIs,
    Put,
    PutSequential,
    Reply,
    SetFeature,
    Transaction,
    Upsert,
    Upserted,
)
from diag.kv.records import MAX_KEY_BYTES, Change
from diag.kv.txn import Step, transact
from diag.kv.writing import WriteTxn

KNOWN_FEATURES = ("dummy", "dummy_feature2")

#: What ``PutSequential`` appends to its prefix: 21 digits in groups of three.
SEQUENTIAL_BYTES = 27


def apply(txn: WriteTxn, command: Command, log_time_ms: int) -> tuple[Reply, list[Change]]:
    """Apply a validated command; the changes are the purge's, then one for each key the command changed.

    A log time before an earlier entry's counts as that one.
    """
    if type(command) is Blank:
        return Blanked(), []
    now = txn.advance_log_time(log_time_ms)
    purged = expiry.purge(txn, now)
    step = Step(txn, now)
    reply: Reply
    if type(command) is Transaction:
        reply = transact(step, command)
    elif type(command) is Upsert:
        reply = _upsert(step, command)
    else:
        assert type(command) is SetFeature
        reply = _set_feature(txn, command)
    changes = step.changes
    if len(changes) > 1:
        changes = _one_a_key(changes)
    return reply, purged + changes if purged else changes


def validate(command: Command) -> None:
    """Refuse what must never reach the log: ``InvalidRequest`` or ``MessageTooLarge``."""
    if type(command) is Transaction:
        for predicate, operations in command.branches:
            if predicate is not None:
                _check_predicate(predicate)
            for operation in operations:
                _check_operation(operation)
    elif type(command) is Upsert:
        _check_key(command.key)
        _check_lifetime(command.lifetime)
    elif type(command) is SetFeature and command.feature not in KNOWN_FEATURES:
        known = ", ".join(KNOWN_FEATURES)
        raise InvalidRequest(f"Feature {command.feature!r} is unknown; the known ones are {known}.")


def _upsert(step: Step, command: Upsert) -> Upserted:
    key, match, value, lifetime = command
    prev = step.txn.get(key)
    if not match.holds(0 if prev is None else prev.seq):
        return Upserted(prev, prev)
    if value is None:
        if prev is not None:
            step.remove(key, prev)
        return Upserted(prev, None)
    if isinstance(value, AsIs):
        if prev is None:
            return Upserted(None, None)
        value = prev.data
    return Upserted(prev, step.write(key, prev, value, lifetime))


def _set_feature(txn: WriteTxn, command: SetFeature) -> FeaturesAre:
    enabled = set(txn.features())
    if command.enable:
        enabled.add(command.feature)
    else:
        enabled.discard(command.feature)
    txn.set_features(tuple(enabled))
    return FeaturesAre(tuple(sorted(enabled)))


def _one_a_key(changes: Iterable[Change]) -> list[Change]:
    """Fold a key's changes into one from before the entry to after it; what ends as it began is none."""
    merged: dict[str, Change] = {}
    for change in changes:
        earlier = merged.get(change.key)
        merged[change.key] = change if earlier is None else Change(change.key, earlier.prev, change.current)
    return [change for change in merged.values() if change.prev != change.current]


def _check_predicate(predicate: Predicate) -> None:
    for inner in predicate.predicates:
        _check_predicate(inner)
    for condition in predicate.conditions:
        _check_key(condition.prefix if isinstance(condition, PrefixCountIs) else condition.key)


def _check_operation(operation: Operation) -> None:
    if isinstance(operation, DeleteByPrefix):
        _check_key(operation.prefix)
        return
    if isinstance(operation, PutSequential):
        _check_key(operation.prefix, MAX_KEY_BYTES - SEQUENTIAL_BYTES)
        _check_key(operation.sequence_key)
        _check_lifetime(operation.lifetime)
        return
    _check_key(operation.key)
    if isinstance(operation, Put):
        _check_lifetime(operation.lifetime)


def _check_key(key: str, most: int = MAX_KEY_BYTES) -> None:
    if key.isascii():
        length = len(key)
    else:
        try:
            length = len(key.encode())
        except UnicodeEncodeError as failure:
            raise InvalidRequest(f"Key {key[:40]!r} is not valid Unicode ({failure.reason}).") from None
    if length > most:
        raise MessageTooLarge(
            f"Key {key[:40]!r}... has {length} bytes; at most {most} are taken. Use a shorter key."
        )


def _check_lifetime(lifetime: Lifetime) -> None:
    if lifetime is FOREVER:
        return
    for name, value in zip(("expire_at", "ttl_ms"), lifetime, strict=True):
        if value is not None and not 0 <= value <= expiry.U64_MAX:
            raise InvalidRequest(f"{name} {value} is outside 0..{expiry.U64_MAX}; send one in it.")
