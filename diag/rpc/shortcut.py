"""KvReadV1 of a few records, answered on the transport's thread.

Most of what an engine asks is one key at a time, one after the other. Sending
such a call to the event loop costs more than reading the record: a thread's
wake-up, a task, a context. The native transport asks here first. Only what is
certain to succeed at once is answered; all else gets None and takes the loop's
way, where every error is told. Measured on the SQL script: see ``make bench``.
"""

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from diag.errors import MetaError
from diag.kv.records import Record
from diag.kv.view import Reader
from diag.metrics.registry import Metrics, StreamKind
from diag.rpc.auth import HandshakeAuth
from diag.rpc.json_kv import GetKV, ListKV, ReadRequest, parse_read
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.translate import stream_item

#: (request, metadata) -> the whole reply's messages, or None to serve the call on the event loop.
Shortcut: TypeAlias = Callable[[bytes, Sequence[tuple[str, "str | bytes"]]], "list[bytes] | None"]

#: Records of a short answer, and its bytes: beyond them other calls would wait for this thread.
MOST_RECORDS = 64
MOST_BYTES = 64 << 10

#: A key of so many characters is certainly within the limit of a key's bytes.
_SHORT_KEY = 1000

#: Counts kept aside before the loop is asked to fold them.
_KEPT = 4096


class _Count(NamedTuple):
    kind: StreamKind
    items: int
    received: int
    sent: int
    seconds: float


class ShortReads:
    """Reads that need no event loop. ``answer`` runs on one other thread, ``drain`` on the loop's."""

    def __init__(
        self, reader: Reader, auth: HandshakeAuth, metrics: Metrics, clock_ms: Callable[[], int]
    ) -> None:
        self._reader = reader
        self._auth = auth
        self._metrics = metrics
        self._clock_ms = clock_ms
        # Appending and popping are atomic, so the two threads need no lock. When it is full the loop's way is
        # taken, and folds.
        self._counts: deque[_Count] = deque()
        metrics.before_fold(self.drain)

    def answer(self, payload: bytes, metadata: Sequence[tuple[str, str | bytes]]) -> list[bytes] | None:
        """The encoded messages of the whole reply, or None to have the call served on the loop."""
        if len(self._counts) >= _KEPT or not self._auth.knows(metadata):
            return None
        started = perf_counter()
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
        self._counts.append(_Count(kind, len(messages), len(payload), size, perf_counter() - started))
        return messages

    def drain(self) -> None:
        """Hand what was counted to the metrics."""
        metrics = self._metrics
        for _ in range(len(self._counts)):
            count = self._counts.popleft()
            metrics.request_started()
            metrics.received(count.received)
            metrics.sent(count.sent)
            metrics.stream_items(count.kind, count.items)
            metrics.request_finished("read", count.seconds, True)

    def _find(self, request: ReadRequest) -> tuple[StreamKind, Sequence[tuple[str, Record | None]]] | None:
        if isinstance(request, ListKV):
            if len(request.prefix) > _SHORT_KEY:
                return None
            page = self._reader.page(request.prefix, None, MOST_RECORDS, self._clock_ms())
            return None if page.after is not None else ("list", page.records)
        kind: StreamKind = "get" if isinstance(request, GetKV) else "mget"
        keys = [request.key] if isinstance(request, GetKV) else request.keys
        if len(keys) > MOST_RECORDS or any(len(key) > _SHORT_KEY for key in keys):
            return None
        return kind, list(zip(keys, self._reader.mget(keys, self._clock_ms()), strict=True))
