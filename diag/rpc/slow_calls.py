"""The account of a call that turned out to be slow, made after it: a quick call pays for one comparison."""

import time
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TypeAlias

from google.protobuf.message import DecodeError, Message

from diag.errors import MetaError
from diag.logs.request_id import HEADER, has_form
from diag.metrics.slow import KEY, SlowRequest, SlowRequests
from diag.replication.stages import stages_passed
from diag.rpc.json_kv import ListKV, MGetKV, parse_request
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.wire import Metadata

#: (payload, id of the request, when it began, whether it was answered, its error)
Tell: TypeAlias = Callable[[bytes, str | None, float, bool, Exception | None], None]

# A longer request is not read again for its key: that would hold up the calls after it.
_MOST_READ = 64 << 10


class SlowCalls:
    """Tells ``log`` of calls; ``threshold`` in seconds is from when on a call is slow."""

    def __init__(self, log: SlowRequests) -> None:
        self.threshold = log.threshold
        self._log = log

    def tell(
        self,
        method: str,
        parse: Callable[[bytes], Message],
        payload: bytes,
        request_id: str | None,
        started: float,
        ok: bool,
        error: Exception | None,
    ) -> None:
        """Tell of a call of ``method`` that began at ``started`` by ``perf_counter`` and ends now."""
        ended = perf_counter()
        self._log.note(
            SlowRequest(
                at=time.time() - (ended - started),
                method=method,
                key=_key(parse, payload)[:KEY],
                seconds=ended - started,
                stages=_durations(started, ended),
                request_id=request_id,
                received=len(payload),
                error=None if ok else _status(error),
            )
        )


def _durations(started: float, ended: float) -> dict[str, float]:
    durations: dict[str, float] = {}
    for name, at in stages_passed():
        durations[name] = at - started
        started = at
    return durations | {"reply": ended - started} if durations else {}


def id_of(metadata: Metadata | None) -> str | None:
    """The id that a client gave its call, where it has the form of one."""
    given = next((value for key, value in metadata or () if key == HEADER), None)
    return given if isinstance(given, str) and has_form(given) else None


def _status(error: Exception | None) -> str:
    if error is None:
        return "CANCELLED"  # by the client
    if isinstance(error, MetaError):
        return error.grpc_status
    return "INVALID_ARGUMENT" if isinstance(error, DecodeError) else "INTERNAL"


def _key(parse: Callable[[bytes], Message], payload: bytes) -> str:
    if len(payload) > _MOST_READ:
        return ""
    try:
        return next((key for key in _keys(parse(payload)) if key), "")
    except (DecodeError, MetaError):
        return ""


def _keys(message: Message) -> Iterator[str]:
    """What the request names, in its order."""
    if isinstance(message, pb.RaftRequest):
        request = parse_request(message.data)
        if isinstance(request, MGetKV):
            yield from request.keys
        else:
            yield request.prefix if isinstance(request, ListKV) else request.key
    elif isinstance(message, pb.KvListRequest):
        yield message.prefix
    elif isinstance(message, pb.TxnRequest):
        yield from (condition.key for condition in message.condition)
        operations = [*message.if_then, *message.else_then]
        yield from map(_key_of, [*operations, *_of_branches(message.operations)])
    elif isinstance(message, pb.KvTransactionRequest):
        yield from map(_key_of, _of_branches(message.branches))


def _of_branches(branches: Iterable[pb.ConditionalOperation]) -> list[pb.TxnOp]:
    return [operation for branch in branches for operation in branch.operations]


def _key_of(operation: pb.TxnOp) -> str:
    kind = operation.WhichOneof("request")
    found = getattr(operation, kind) if kind else None
    return getattr(found, "key", "") or getattr(found, "prefix", "")
