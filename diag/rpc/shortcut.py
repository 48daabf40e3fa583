"""KvReadV1 of a few records, answered where it arrives.

Most of what an engine asks is one key at a time, one after the other. A task, a
context and a stream for such a call cost more than reading the record, so the
nghttp2 transport asks here first. Only what is certain to succeed at once is
answered; all else gets None and its handler, where every error is told.
"""

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeAlias

from google.protobuf.message import DecodeError

from diag.errors import MetaError
from diag.kv.records import Record
from diag.kv.view import Reader
from diag.metrics.registry import Metrics, StreamKind
from diag.rpc.auth import HandshakeAuth
from diag.rpc.json_kv import GetKV, ListKV, ReadRequest, parse_read
from diag.rpc.slow_calls import SlowCalls, id_of
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.translate import stream_item
from diag.rpc.wire import Metadata

#: (request, metadata) -> the whole reply's messages, or None to have the call served by its handler.
Shortcut: TypeAlias = Callable[[bytes, Metadata], "list[bytes] | None"]

#: Records of a short answer, and its bytes: beyond them other calls would wait for this one.
MOST_RECORDS = 64
MOST_BYTES = 64 << 10

#: A key of so many characters is certainly within the limit of a key's bytes.
_SHORT_KEY = 1000


class ShortReads:
    """Reads that need no handler."""

    def __init__(
        self,
        reader: Reader,
        auth: HandshakeAuth,
        metrics: Metrics,
        clock_ms: Callable[[], int],
        slow: SlowCalls | None = None,
    ) -> None:
        self._reader = reader
        self._auth = auth
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._slow = slow
        self._slow_after = math.inf if slow is None else slow.threshold

    def answer(self, payload: bytes, metadata: Metadata) -> list[bytes] | None:
        """The encoded messages of the whole reply, or None to have the call served by its handler."""
        started = perf_counter()
        if not self._auth.knows(metadata):
            return None
        try:
            request = parse_read(pb.RaftRequest.FromString(payload).data)
            found = self._find(request)
        except (DecodeError, MetaError):
            return None
        if found is None:
            return None
        kind, records = found
        messages = [stream_item(key, record).SerializeToString() for key, record in records]
        size = sum(map(len, messages))
        if size > MOST_BYTES:
            return None
        seconds = perf_counter() - started
        self._metrics.short_read(kind, len(messages), len(payload), size, seconds)
        if seconds >= self._slow_after and self._slow is not None:  # the disk had to be read
            parse = pb.RaftRequest.FromString
            self._slow.tell("KvReadV1", parse, payload, id_of(metadata), started, ok=True, error=None)
        return messages

    def _find(self, request: ReadRequest) -> tuple[StreamKind, Sequence[tuple[str, Record | None]]] | None:
        if isinstance(request, ListKV):
            if len(request.prefix) > _SHORT_KEY:
                return None
            page = self._reader.page(request.prefix, None, MOST_RECORDS, self._clock_ms())
            return None if page.after is not None else ("list", page.records)
        kind: StreamKind = "get" if isinstance(request, GetKV) else "mget"
        keys = [request.key] if isinstance(request, GetKV) else request.keys
        if len(keys) > MOST_RECORDS or (keys and max(map(len, keys)) > _SHORT_KEY):
            return None
        return kind, list(zip(keys, self._reader.mget(keys, self._clock_ms()), strict=True))
