"""KvReadV1, KvList and KvGetMany: records as a stream (wire protocol, 5.2 and 5.3)."""

import asyncio
from collections.abc import AsyncIterator, Callable

from diag.errors import MessageTooLarge
from diag.kv.records import MAX_KEY_BYTES, Record
from diag.kv.view import Reader
from diag.metrics.registry import Metrics, StreamKind
from diag.replication import OrderedLog
from diag.rpc.dispatch import Sink
from diag.rpc.json_kv import GetKV, ListKV, MGetKV, ReadRequest, parse_read
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.translate import stream_item

#: Records read and sent before other calls get their turn; a page is a fraction of a millisecond.
PAGE = 256

#: What KvApi's JSON can hold at four characters a byte, within the message limit.
COLLECT_BYTES = 8 << 20

_KINDS: dict[type[ReadRequest], StreamKind] = {GetKV: "get", MGetKV: "mget", ListKV: "list"}


class Reads:
    """Reads see every write acknowledged before them.

    A list is read page by page, so it may also show some of the writes made while it runs.
    """

    def __init__(
        self, log: OrderedLog, reader: Reader, metrics: Metrics, clock_ms: Callable[[], int]
    ) -> None:
        self._log = log
        self._reader = reader
        self._metrics = metrics
        self._clock_ms = clock_ms

    async def read_v1(self, request: pb.RaftRequest, sink: Sink) -> None:
        """KvReadV1."""
        parsed = parse_read(request.data)
        count = 0
        async for key, record in self._found(parsed):
            await sink.send(stream_item(key, record))
            count += 1
        self._metrics.stream_items(_KINDS[type(parsed)], count)

    async def read_prefix(self, request: pb.KvListRequest, sink: Sink) -> None:
        """KvList."""
        limit = request.limit if request.HasField("limit") else None
        async for page in self._pages(request.prefix, limit):
            for key, record in page:
                await sink.send(stream_item(key, record))

    async def get_many(self, requests: AsyncIterator[pb.KvGetManyRequest], sink: Sink) -> None:
        """KvGetMany: each answer as soon as its key has come."""
        async for request in requests:
            async for key, record in self._found(GetKV(request.key)):
                await sink.send(stream_item(key, record))

    async def collect(self, request: ReadRequest) -> list[tuple[str, Record | None]]:
        """All that ``request`` asks for (KvApi's reads); MessageTooLarge when no reply could hold it."""
        found: list[tuple[str, Record | None]] = []
        size = 0
        async for key, record in self._found(request):
            found.append((key, record))
            size += 0 if record is None else len(record.data)
            if size > COLLECT_BYTES:
                raise MessageTooLarge(
                    f"the answer is more than {COLLECT_BYTES} bytes of data; ask KvReadV1, which streams it"
                )
        return found

    async def _found(self, request: ReadRequest) -> AsyncIterator[tuple[str, Record | None]]:
        if isinstance(request, ListKV):
            async for page in self._pages(request.prefix, None):
                for item in page:
                    yield item
            return
        keys = _checked([request.key] if isinstance(request, GetKV) else request.keys)
        await self._log.read_index()
        # One by one: a page of the largest records would be 8 GiB.
        for place, key in enumerate(keys, 1):
            yield key, self._reader.get(key, self._clock_ms())
            if place % PAGE == 0:
                await asyncio.sleep(0)

    async def _pages(self, prefix: str, limit: int | None) -> AsyncIterator[list[tuple[str, Record]]]:
        _checked([prefix])
        await self._log.read_index()
        after: str | None = None
        while limit is None or limit > 0:
            page = self._reader.page(
                prefix, after, PAGE if limit is None else min(PAGE, limit), self._clock_ms()
            )
            yield page.records
            if page.after is None:
                return
            after = page.after
            if limit is not None:
                limit -= len(page.records)
            await asyncio.sleep(0)


def _checked(keys: list[str]) -> list[str]:
    """No key is longer, so reading one that is would hide a mistake. A character is at most 4 bytes."""
    for key in keys:
        if len(key) > MAX_KEY_BYTES // 4 and len(key.encode()) > MAX_KEY_BYTES:
            raise MessageTooLarge(
                f"the key {key[:40]!r}... has {len(key.encode())} bytes; no key has more than {MAX_KEY_BYTES}"
            )
    return keys
