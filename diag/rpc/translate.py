"""Protobuf requests to the log's commands, and its replies back to protobuf (wire protocol, 5.4 and 5.5)."""

from collections.abc import Callable, Iterable
from typing import Any

from diag.kv.commands import (
    FOREVER,
    Branch,
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
from diag.rpc.stubs import meta_pb2 as pb

_COMPARE = {int(compare): compare for compare in Compare}


def write_record(record: Record, into: pb.SeqV) -> None:
    """Fill a SeqV; ``meta`` is present exactly when the record has any."""
    into.seq = record.seq
    into.data = record.data
    if record.proposed_at_ms is not None:
        into.meta.proposed_at_ms = record.proposed_at_ms
    if record.expire_at is not None:
        into.meta.expire_at = record.expire_at


def read_record(message: pb.SeqV) -> Record:
    """A SeqV as a record."""
    meta = message.meta
    return Record(
        message.seq,
        message.data,
        meta.expire_at if meta.HasField("expire_at") else None,
        meta.proposed_at_ms if meta.HasField("proposed_at_ms") else None,
    )


def stream_item(key: str, record: Record | None) -> pb.StreamItem:
    """A key and its record; the value is absent for an absent key."""
    item = pb.StreamItem(key=key)
    if record is not None:
        write_record(record, item.value)
    return item


def watch_event(change: Change) -> pb.WatchResponse:
    """A live change."""
    response = pb.WatchResponse()
    event = response.event
    event.key = change.key
    if change.current is not None:
        write_record(change.current, event.current)
    if change.prev is not None:
        write_record(change.prev, event.prev)
    return response


def transaction(request: pb.TxnRequest) -> Transaction:
    """TxnRequest's order as branches: ``operations``, then ``condition`` -> ``if_then``, then ``else_then``.

    The branch of ``if_then`` is always there, at index ``len(request.operations)``.
    """
    branches = [_branch(operation) for operation in request.operations] if request.operations else []
    conditions = request.condition
    predicate = Predicate(conditions=tuple([_condition(c) for c in conditions])) if conditions else None
    branches.append(Branch(predicate, _operations(request.if_then)))
    if request.else_then:
        branches.append(Branch(None, _operations(request.else_then)))
    return Transaction(tuple(branches))


def transaction_reply(request: pb.TxnRequest, reply: Transacted) -> pb.TxnReply:
    """TxnReply of ``request``; ``success`` is false exactly when ``else_then``'s turn came."""
    message = pb.TxnReply()
    then = len(request.operations)
    if reply.branch is None or reply.branch > then:
        message.execution_path = "else"
    else:
        message.success = True
        message.execution_path = "then" if reply.branch == then else f"operation:{reply.branch}"
    _write_responses(reply.responses, message)
    return message


def kv_transaction(request: pb.KvTransactionRequest) -> Transaction:
    """KvTransactionRequest's branches as they stand."""
    return Transaction(tuple([_branch(branch) for branch in request.branches]))


def kv_transaction_reply(reply: Transacted) -> pb.KvTransactionReply:
    """``executed_branch`` is absent when no predicate held."""
    message = pb.KvTransactionReply()
    if reply.branch is not None:
        message.executed_branch = reply.branch
    _write_responses(reply.responses, message)
    return message


def _branch(message: pb.ConditionalOperation) -> Branch:
    predicate = _predicate(message.predicate) if message.HasField("predicate") else None
    return Branch(predicate, _operations(message.operations))


def _predicate(message: pb.BooleanExpression) -> Predicate:
    return Predicate(
        message.operator == pb.BooleanExpression.OR,
        tuple([_predicate(sub) for sub in message.sub_expressions]),
        tuple([_condition(condition) for condition in message.conditions]),
    )


def _condition(message: pb.TxnCondition) -> Condition:
    compare = _COMPARE.get(message.expected, Compare.EQ)
    match message.WhichOneof("target"):
        case "seq":
            return SeqIs(message.key, compare, message.seq)
        case "value":
            return ValueIs(message.key, compare, message.value)
        case "keys_with_prefix":
            return PrefixCountIs(message.key, compare, message.keys_with_prefix)
        case _:
            return NoTarget(message.key)


def _operations(messages: Iterable[pb.TxnOp]) -> tuple[Operation, ...]:
    return tuple([_OPERATIONS[message.WhichOneof("request")](message) for message in messages])


def _optional(message: Any, field: str) -> int | None:
    return getattr(message, field) if message.HasField(field) else None


def _put(op: pb.TxnOp) -> Put:
    message = op.put
    expire_at, ttl_ms = _optional(message, "expire_at"), _optional(message, "ttl_ms")
    lifetime = FOREVER if expire_at is None and ttl_ms is None else Lifetime(expire_at, ttl_ms)
    return Put(message.key, message.value, lifetime, _optional(message, "match_seq"))


def _delete(op: pb.TxnOp) -> Delete:
    return Delete(op.delete.key, _optional(op.delete, "match_seq"))


def _fetch_increase(op: pb.TxnOp) -> FetchIncrease:
    message = op.fetch_increase_u64
    return FetchIncrease(message.key, message.delta, message.max_value, _optional(message, "match_seq"))


def _put_sequential(op: pb.TxnOp) -> PutSequential:
    message = op.put_sequential
    lifetime = Lifetime(_optional(message, "expires_at_ms"), _optional(message, "ttl_ms"))
    return PutSequential(message.prefix, message.sequence_key, message.value, lifetime)


_OPERATIONS: dict[str | None, Callable[[pb.TxnOp], Operation]] = {
    None: lambda op: Get(""),
    "get": lambda op: Get(op.get.key),
    "put": _put,
    "delete": _delete,
    "delete_by_prefix": lambda op: DeleteByPrefix(op.delete_by_prefix.prefix),
    "fetch_increase_u64": _fetch_increase,
    "put_sequential": _put_sequential,
}


def _write_responses(replies: Iterable[OperationReply], message: pb.TxnReply | pb.KvTransactionReply) -> None:
    for reply in replies:
        _WRITERS[type(reply)](reply, message.responses.add())


def _write_put(reply: WasPut, into: pb.TxnOpResponse) -> None:
    response = into.put
    response.key = reply.key
    if reply.prev is not None:
        write_record(reply.prev, response.prev_value)
    if reply.current is not None:
        write_record(reply.current, response.current)


def _write_get(reply: Got, into: pb.TxnOpResponse) -> None:
    response = into.get
    response.SetInParent()  # a get of the key "" has no field to set
    response.key = reply.key
    if reply.value is not None:
        write_record(reply.value, response.value)


def _write_delete(reply: Deleted, into: pb.TxnOpResponse) -> None:
    response = into.delete
    response.key = reply.key
    response.success = reply.success
    if reply.prev is not None:
        write_record(reply.prev, response.prev_value)


def _write_delete_by_prefix(reply: DeletedByPrefix, into: pb.TxnOpResponse) -> None:
    into.delete_by_prefix.prefix = reply.prefix
    into.delete_by_prefix.count = reply.count


def _write_increased(reply: Increased, into: pb.TxnOpResponse) -> None:
    response = into.fetch_increase_u64
    response.key = reply.key
    response.before_seq, response.before = reply.before_seq, reply.before
    response.after_seq, response.after = reply.after_seq, reply.after


_WRITERS: dict[type, Callable[[Any, pb.TxnOpResponse], None]] = {
    WasPut: _write_put,
    Got: _write_get,
    Deleted: _write_delete,
    DeletedByPrefix: _write_delete_by_prefix,
    Increased: _write_increased,
}
