"""The state machine's rules over a plain dict: what the real one is compared with."""

from diag.kv.commands import (
    AsIs,
    Blank,
    Blanked,
    Branch,
    Command,
    Compare,
    Condition,
    Delete,
    DeleteByPrefix,
    Deleted,
    DeletedByPrefix,
    FeaturesAre,
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
    Reply,
    SeqIs,
    SetFeature,
    Transacted,
    Transaction,
    Upsert,
    Upserted,
    ValueIs,
    WasPut,
)
from diag.kv.records import Change, Record, expiry_ms

_LIMIT = 2**64 - 1


class Model:
    """Slow and plain on purpose."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.seq = 0
        self.now = 0
        self.enabled: set[str] = set()

    def apply(self, command: Command, time_ms: int) -> tuple[Reply, list[Change]]:
        if isinstance(command, Blank):
            return Blanked(), []
        self.now = max(self.now, time_ms)
        expired = sorted(
            (expiry_ms(record.expire_at), record.seq, key)
            for key, record in self.records.items()
            if record.expire_at is not None and expiry_ms(record.expire_at) < self.now
        )
        purged = [Change(key, self.records.pop(key), None) for _, _, key in expired]
        before = dict(self.records)
        self.touched: list[str] = []
        reply = self._reply(command)
        changes = [
            Change(key, before.get(key), self.records.get(key))
            for key in dict.fromkeys(self.touched)
            if before.get(key) != self.records.get(key)
        ]
        return reply, purged + changes

    def _reply(self, command: Command) -> Reply:
        if isinstance(command, SetFeature):
            (self.enabled.add if command.enable else self.enabled.discard)(command.feature)
            return FeaturesAre(tuple(sorted(self.enabled)))
        if isinstance(command, Upsert):
            return self._upsert(command)
        assert isinstance(command, Transaction)
        return self._transact(command)

    def _write(self, key: str, data: bytes, lifetime: Lifetime) -> Record | None:
        self.seq += 1
        at = lifetime.expire_at
        if lifetime.ttl_ms is not None:
            at = min(self.now + lifetime.ttl_ms, _LIMIT)
        if at is not None and expiry_ms(at) < self.now:
            self._remove(key)
            return None
        self.touched.append(key)
        self.records[key] = Record(self.seq, data, at, self.now)
        return self.records[key]

    def _remove(self, key: str) -> None:
        if self.records.pop(key, None) is not None:
            self.touched.append(key)

    def _seq_of(self, key: str) -> int:
        return self.records[key].seq if key in self.records else 0

    def _upsert(self, command: Upsert) -> Upserted:
        prev = self.records.get(command.key)
        seq, match = self._seq_of(command.key), command.match
        if (match.exact is not None and seq != match.exact) or (
            match.exact is None and match.at_least is not None and seq < match.at_least
        ):
            return Upserted(prev, prev)
        if command.value is None:
            self._remove(command.key)
            return Upserted(prev, None)
        if isinstance(command.value, AsIs):
            if prev is None:
                return Upserted(None, None)
            return Upserted(prev, self._write(command.key, prev.data, command.lifetime))
        return Upserted(prev, self._write(command.key, command.value, command.lifetime))

    def _transact(self, transaction: Transaction) -> Transacted:
        held = [self._held(branch) for branch in transaction.branches]
        if True not in held:
            return Transacted(None, ())
        number = held.index(True)
        return Transacted(number, tuple(map(self._operate, transaction.branches[number].operations)))

    def _held(self, branch: Branch) -> bool:
        return branch.predicate is None or self._holds(branch.predicate)

    def _holds(self, predicate: Predicate) -> bool:
        members = [*map(self._holds, predicate.predicates), *map(self._met, predicate.conditions)]
        return not members or (any(members) if predicate.any_of else all(members))

    def _met(self, condition: Condition) -> bool:
        if isinstance(condition, NoTarget):
            return False
        if isinstance(condition, SeqIs):
            return _compared(condition.compare, self._seq_of(condition.key), condition.seq)
        if isinstance(condition, PrefixCountIs):
            count = sum(key.startswith(condition.prefix) for key in self.records)
            return _compared(condition.compare, min(count, condition.count + 1), condition.count)
        assert isinstance(condition, ValueIs)
        record = self.records.get(condition.key)
        return record is not None and _compared(condition.compare, record.data, condition.value)

    def _operate(self, operation: Operation) -> OperationReply:
        if isinstance(operation, Get):
            return Got(operation.key, self.records.get(operation.key))
        if isinstance(operation, Put):
            prev = self.records.get(operation.key)
            if operation.match_seq not in (None, self._seq_of(operation.key)):
                return WasPut(operation.key, prev, prev)
            return WasPut(
                operation.key, prev, self._write(operation.key, operation.value, operation.lifetime)
            )
        if isinstance(operation, Delete):
            prev = self.records.get(operation.key)
            if prev is None or operation.match_seq not in (None, prev.seq):
                return Deleted(operation.key, False, prev)
            self._remove(operation.key)
            return Deleted(operation.key, True, prev)
        if isinstance(operation, DeleteByPrefix):
            found = sorted(key for key in self.records if key.startswith(operation.prefix))
            for key in found:
                self._remove(key)
            return DeletedByPrefix(operation.prefix, len(found))
        if isinstance(operation, FetchIncrease):
            return self._increase(operation)
        assert isinstance(operation, PutSequential)
        number = self._increase(FetchIncrease(operation.sequence_key, 1)).before
        digits = f"{number:021d}"
        groups = "_".join(digits[place : place + 3] for place in range(0, 21, 3))
        key = operation.prefix + groups
        return WasPut(key, self.records.get(key), self._write(key, operation.value, operation.lifetime))

    def _increase(self, operation: FetchIncrease) -> Increased:
        key, prev_seq = operation.key, self._seq_of(operation.key)
        text = self.records[key].data if key in self.records else b"0"
        before = int(text) if text.isdigit() and text == b"%d" % int(text) and int(text) <= _LIMIT else 0
        if operation.match_seq not in (None, prev_seq):
            return Increased(key, prev_seq, before, prev_seq, before)
        after = min(max(max(before, operation.max_value) + operation.delta, 0), _LIMIT)
        self._write(key, b"%d" % after, Lifetime())
        return Increased(key, prev_seq, before, self.seq, after)


def _compared(compare: Compare, stored: int | bytes, given: int | bytes) -> bool:
    order = (stored > given) - (stored < given)  # type: ignore[operator]  # both of one kind
    return {
        Compare.EQ: order == 0,
        Compare.GT: order > 0,
        Compare.GE: order >= 0,
        Compare.LT: order < 0,
        Compare.LE: order <= 0,
        Compare.NE: order != 0,
    }[compare]
