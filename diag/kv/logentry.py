"""A log entry's command from its JSON form, as exported lines carry it; wire protocol section 7."""

from collections.abc import Callable, Mapping
from typing import Any

from diag.kv.commands import (
    FOREVER,
    AsIs,
    Branch,
    Command,
    Compare,
    Condition,
    Delete,
    DeleteByPrefix,
    FetchIncrease,
    Get,
    Lifetime,
    MatchSeq,
    NoTarget,
    Operation,
    Predicate,
    PrefixCountIs,
    Put,
    PutSequential,
    SeqIs,
    SetFeature,
    Transaction,
    Upsert,
    ValueIs,
)

Fields = Mapping[str, Any]


def command_of(form: Fields) -> Command | None:
    """The command of a ``cmd`` object; None for one about members, which a state does not hold.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else.
    """
    ((kind, fields),) = form.items()
    if kind in ("AddNode", "RemoveNode"):
        return None
    return _COMMANDS[kind](fields)


def data_of(form: object) -> bytes:
    """Bytes of a JSON array of numbers; ``bytes`` itself would take a number for a length."""
    if not isinstance(form, list):
        raise TypeError(f"data are an array of bytes, not {type(form).__name__}")
    return bytes(form)


def _upsert(fields: Fields) -> Upsert:
    meta = fields.get("value_meta") or {}
    value = fields["value"]
    if value == "Delete":
        what: bytes | AsIs | None = None
    elif value == "AsIs":
        what = AsIs()
    else:
        what = data_of(value["Update"])
    ttl = meta.get("ttl")
    lifetime = _lifetime(meta.get("expire_at"), None if ttl is None else ttl["millis"])
    return Upsert(fields["key"], _match(fields["seq"]), what, lifetime)


def _match(form: str | Mapping[str, int]) -> MatchSeq:
    if isinstance(form, str):
        if form != "Any":
            raise ValueError(f"seq condition {form!r} is none of Any, Exact, GE")
        return MatchSeq()
    ((kind, seq),) = form.items()
    return {"Exact": MatchSeq(exact=seq), "GE": MatchSeq(at_least=seq)}[kind]


def _transaction(fields: Fields) -> Transaction:
    branches = [
        Branch(_predicate(one.get("predicate")), _operations(one["operations"]))
        for one in fields.get("operations", ())
    ]
    conditions = tuple(map(_condition, fields.get("condition", ())))
    branches.append(Branch(Predicate(conditions=conditions), _operations(fields.get("if_then", ()))))
    if otherwise := _operations(fields.get("else_then", ())):
        branches.append(Branch(None, otherwise))
    return Transaction(tuple(branches))


def _predicate(form: Fields | None) -> Predicate | None:
    if form is None:
        return None
    return Predicate(
        form.get("operator", 0) in (1, "OR", "Or"),
        tuple(
            Predicate() if inner is None else inner
            for inner in map(_predicate, form.get("sub_expressions", ()))
        ),
        tuple(map(_condition, form.get("conditions", ()))),
    )


def _condition(form: Fields) -> Condition:
    key, target = form["key"], form.get("target")
    number = form.get("expected", 0)
    compare = Compare(number) if number in Compare._value2member_map_ else Compare.EQ
    if target is None:
        return NoTarget(key)
    ((kind, given),) = target.items()
    if kind == "Seq":
        return SeqIs(key, compare, given)
    if kind == "Value":
        return ValueIs(key, compare, data_of(given))
    if kind == "KeysWithPrefix":
        return PrefixCountIs(key, compare, given)
    raise ValueError(f"condition target {kind!r} is none of Seq, Value, KeysWithPrefix")


def _operations(forms: "list[Fields] | tuple[Fields, ...]") -> tuple[Operation, ...]:
    return tuple(map(_operation, forms))


def _operation(form: Fields) -> Operation:
    request = form.get("request")
    if request is None:
        return Get("")
    ((kind, fields),) = request.items()
    return _OPERATIONS[kind](fields)


def _lifetime(expire_at: int | None, ttl_ms: int | None) -> Lifetime:
    return FOREVER if expire_at is None and ttl_ms is None else Lifetime(expire_at, ttl_ms)


def _put(fields: Fields) -> Put:
    lifetime = _lifetime(fields.get("expire_at"), fields.get("ttl_ms"))
    return Put(fields["key"], data_of(fields["value"]), lifetime, fields.get("match_seq"))


def _put_sequential(fields: Fields) -> PutSequential:
    lifetime = _lifetime(fields.get("expires_at_ms"), fields.get("ttl_ms"))
    return PutSequential(fields["prefix"], fields["sequence_key"], data_of(fields["value"]), lifetime)


def _fetch_increase(fields: Fields) -> FetchIncrease:
    return FetchIncrease(fields["key"], fields["delta"], fields.get("max_value", 0), fields.get("match_seq"))


_COMMANDS: dict[str, Callable[[Fields], Command]] = {
    "UpsertKV": _upsert,
    "Transaction": _transaction,
    "SetFeature": lambda fields: SetFeature(fields["feature"], fields["enable"]),
}
_OPERATIONS: dict[str, Callable[[Fields], Operation]] = {
    "Get": lambda fields: Get(fields["key"]),
    "Put": _put,
    "Delete": lambda fields: Delete(fields["key"], fields.get("match_seq")),
    "DeleteByPrefix": lambda fields: DeleteByPrefix(fields["prefix"]),
    "FetchIncreaseU64": _fetch_increase,
    "PutSequential": _put_sequential,
}
