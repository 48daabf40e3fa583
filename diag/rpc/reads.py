"""KvReadV1, KvList and KvGetMany: records as a stream (wire protocol, 5.2 and 5.3)."""

import asyncio
from collections.abc import AsyncIterator, Callable

from diag.errors import MessageTooLarge
from diag.kv.records import MAX_KEY_BYTES, Record
from diag.kv.view import Reader
from diag.metrics.registry import Metrics
from diag.replication import OrderedLog
from diag.rpc.dispatch import Sink
from diag.rpc.json_kv import GetKV, ListKV, MGetKV, ReadRequest, parse_read
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.translate import stream_item

#: Records read and sent before other calls get their turn; a page is a fraction of a millisecond.
PAGE = 256


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
        match parse_read(request.data):
            case MGetKV(keys):
                self._metrics.stream_items("mget", await self._send_keys(keys, sink))
            case GetKV(key):
                self._metrics.stream_items("get", await self._send_keys([key], sink))
            case ListKV(prefix):
                self._metrics.stream_items("list", await self._send_list(prefix, None, sink))

    async def read_prefix(self, request: pb.KvListRequest, sink: Sink) -> None:
        """KvList."""
        limit = request.limit if request.HasField("limit") else None
        await self._send_list(request.prefix, limit, sink)

    async def get_many(self, requests: AsyncIterator[pb.KvGetManyRequest], sink: Sink) -> None:
        """KvGetMany: each answer as soon as its key has come."""
        async for request in requests:
            await self._send_keys([request.key], sink)

    async def collect(self, request: ReadRequest) -> list[tuple[str, Record | None]]:
        """All that ``request`` asks for, at once (KvApi's reads); MessageTooLarge when no reply could hold it."""
        found = _Collected()
        if isinstance(request, ListKV):
            await self._send_list(request.prefix, None, found)
        else:
            await self._send_keys([request.key] if isinstance(request, GetKV) else request.keys, found)
        return found.records

    async def _send_keys(self, keys: list[str], sink: Sink) -> int:
        await self._log.read_index()
        # One by one: 256 records of the largest size would be 8 GiB.
        for place, key in enumerate(_checked(keys), 1):
            await sink.send(stream_item(key, self._reader.get(key, self._clock_ms())))
            if place % PAGE == 0:
                await asyncio.sleep(0)
        return len(keys)

    async def _send_list(self, prefix: str, limit: int | None, sink: Sink) -> int:
        sent = 0
        async for page in self._pages(prefix, limit):
            for key, record in page:
                await sink.send(stream_item(key, record))
            sent += len(page)
        return sent

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
