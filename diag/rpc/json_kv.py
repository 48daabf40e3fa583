"""The JSON that KvApi and KvReadV1 carry (wire protocol, 5.1 and 5.2).

Data are arrays of numbers, one a byte, so a value of megabytes is a text of millions of numbers,
read and written on the event loop: the parser is pydantic's, several times as fast as the standard library's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import from_json, to_json

from diag.errors import InvalidRequest
from diag.kv.commands import FOREVER, AsIs, Lifetime, MatchSeq, Upsert, Upserted
from diag.kv.records import Record

_U64 = 1 << 64
_BELOW_10 = bytes(range(10))
_BELOW_100 = bytes(range(100))


class GetKV(NamedTuple):
    key: str


class MGetKV(NamedTuple):
    keys: list[str]


class ListKV(NamedTuple):
    prefix: str


ReadRequest: TypeAlias = GetKV | MGetKV | ListKV


def parse_request(text: str) -> Upsert | ReadRequest:
    """KvApi's request. Raises InvalidRequest naming what is not as it should be."""
    variant, body = _variant(text)
    if variant == "UpsertKV":
        return _upsert(body)
    return _read(variant, body, "UpsertKV, GetKV, MGetKV or ListKV")


def parse_read(text: str) -> ReadRequest:
    """KvReadV1's request. Raises InvalidRequest naming what is not as it should be."""
    variant, body = _variant(text)
    return _read(variant, body, "GetKV, MGetKV or ListKV")


def upsert_json(command: Upsert) -> str:
    """The request a client sends for ``command``."""
    if isinstance(command.value, AsIs):
        value: object = "AsIs"
    else:
        value = "Delete" if command.value is None else {"Update": list(command.value)}
    match = command.match
    seq = {"Exact": match.exact} if match.exact is not None else {"GE": match.at_least or 0}
    meta: dict[str, Any] = {"expire_at": command.lifetime.expire_at}
    if command.lifetime.ttl_ms is not None:
        meta["ttl"] = {"millis": command.lifetime.ttl_ms}
    return _dump({"UpsertKV": {"key": command.key, "seq": seq, "value": value, "value_meta": meta}})


def upserted_json(reply: Upserted) -> str:
    """KvApi's reply to UpsertKV."""
    return _dump({"ident": None, "prev": _seq_v(reply.prev), "result": _seq_v(reply.result)})


def upserted_size(reply: Upserted) -> int:
    """Bytes of ``upserted_json(reply)``, without writing it."""
    empty = Upserted(*(None if record is None else record._replace(data=b"") for record in reply))
    data = (b"" if record is None else record.data for record in reply)
    return len(upserted_json(empty)) + sum(map(_numbers_size, data))


def parse_upserted(text: str) -> Upserted:
    """What a client reads out of KvApi's reply to UpsertKV."""
    reply = from_json(text)
    return Upserted(_record(reply["prev"]), _record(reply["result"]))


def record_json(record: Record | None) -> str:
    """KvApi's reply to GetKV."""
    return _dump(_seq_v(record))


def records_json(records: list[Record | None]) -> str:
    """KvApi's reply to MGetKV."""
    return _dump([_seq_v(record) for record in records])


def listing_json(records: Sequence[tuple[str, Record | None]]) -> str:
    """KvApi's reply to ListKV."""
    return _dump([[key, _seq_v(record)] for key, record in records])


def _dump(value: object) -> str:
    return to_json(value).decode()


def _numbers_size(data: bytes) -> int:
    """Digits and the commas between: one of either for a byte, and a digit more above 9 and above 99."""
    above_9, above_99 = (len(data.translate(None, delete=low)) for low in (_BELOW_10, _BELOW_100))
    return 2 * len(data) - 1 + above_9 + above_99 if data else 0


def _seq_v(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    meta = {
        name: value
        for name, value in (("expire_at", record.expire_at), ("proposed_at_ms", record.proposed_at_ms))
        if value is not None
    }
    return {"seq": record.seq, "meta": meta or None, "data": list(record.data)}


def _record(value: dict[str, Any] | None) -> Record | None:
    if value is None:
        return None
    meta = value["meta"] or {}
    return Record(value["seq"], bytes(value["data"]), meta.get("expire_at"), meta.get("proposed_at_ms"))


def _variant(text: str) -> tuple[str, dict[str, Any]]:
    try:
        request = from_json(text)
    except ValueError as error:
        raise InvalidRequest(f"the request is not JSON: {error}") from error
    if not isinstance(request, dict) or len(request) != 1:
        raise InvalidRequest('the request must be an object of one key, such as {"MGetKV":{"keys":[]}}')
    ((variant, body),) = request.items()
    if not isinstance(body, dict):
        raise InvalidRequest(f"{variant} must hold an object, not {_shown(body)}")
    return variant, body


def _read(variant: str, body: dict[str, Any], known: str) -> ReadRequest:
    if variant == "MGetKV":
        keys = body.get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise InvalidRequest(f"MGetKV.keys must be a list of strings, not {_shown(keys)}")
        return MGetKV(keys)
    if variant == "ListKV":
        return ListKV(_text(body, variant, "prefix"))
    if variant == "GetKV":
        return GetKV(_text(body, variant, "key"))
    raise InvalidRequest(f"unknown request {_shown(variant)}; expected {known}")


def _upsert(body: dict[str, Any]) -> Upsert:
    key = _text(body, "UpsertKV", "key")
    return Upsert(
        key, _match_seq(body.get("seq")), _value(body.get("value")), _lifetime(body.get("value_meta"))
    )


def _text(body: dict[str, Any], variant: str, field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str):
        raise InvalidRequest(f"{variant}.{field} must be a string, not {_shown(value)}")
    return value


def _match_seq(value: object) -> MatchSeq:
    if value == "Any":
        return MatchSeq()
    if isinstance(value, dict) and len(value) == 1:
        ((name, seq),) = value.items()
        if name == "Exact":
            return MatchSeq(exact=_u64(seq, "UpsertKV.seq.Exact"))
        if name == "GE":
            return MatchSeq(at_least=_u64(seq, "UpsertKV.seq.GE"))
    raise InvalidRequest(f'UpsertKV.seq must be "Any", {{"Exact":n}} or {{"GE":n}}, not {_shown(value)}')


def _value(value: object) -> bytes | AsIs | None:
    if value == "Delete":
        return None
    if value == "AsIs":
        return AsIs()
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("Update"), list):
        try:
            return bytes(value["Update"])
        except (TypeError, ValueError) as error:
            raise InvalidRequest("UpsertKV.value.Update must hold numbers from 0 to 255") from error
    raise InvalidRequest(
        f'UpsertKV.value must be {{"Update":[byte,...]}}, "Delete" or "AsIs", not {_shown(value)}'
    )


def _lifetime(value: object) -> Lifetime:
    if value is None:
        return FOREVER
    if not isinstance(value, dict):
        raise InvalidRequest(f"UpsertKV.value_meta must be null or an object, not {_shown(value)}")
    expire_at, ttl = value.get("expire_at"), value.get("ttl")
    if ttl is not None and not isinstance(ttl, dict):
        raise InvalidRequest(f'UpsertKV.value_meta.ttl must be {{"millis":n}}, not {_shown(ttl)}')
    return Lifetime(
        None if expire_at is None else _u64(expire_at, "UpsertKV.value_meta.expire_at"),
        None if ttl is None else _u64(ttl.get("millis"), "UpsertKV.value_meta.ttl.millis"),
    )


def _u64(value: object, name: str) -> int:
    if type(value) is int and 0 <= value < _U64:
        return value
    raise InvalidRequest(f"{name} must be a whole number from 0 to 2^64-1, not {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
