"""Watch: changes of a key range as they are applied (wire protocol, 5.6)."""

import asyncio
from collections.abc import Callable

from diag.errors import InvalidRequest, Unavailable, WatcherTooSlow
from diag.kv.watch import Filter, Watcher, WatchHub
from diag.metrics.registry import Metrics
from diag.rpc.dispatch import Sink
from diag.rpc.stubs import meta_pb2 as pb
from diag.rpc.translate import watch_event, write_record

#: How long a client may take to accept one page of the initial flush. The flush is one
#: read of the store, and while it lasts no page of the store's file can be used again.
FLUSH_PAGE_SECONDS = 60.0

#: Initial flushes at once. Each is a reader of the store, which has 1,024 places for all of them.
MOST_FLUSHES = 512

_FILTERS = {int(each): each for each in Filter}


class WatchStreams:
    """Serves watches until the client leaves, falls too far behind, or the node stops."""

    def __init__(self, hub: WatchHub, metrics: Metrics) -> None:
        self._hub = hub
        self._metrics = metrics
        self._open: set[_Delivery] = set()
        self._flushes = asyncio.Semaphore(MOST_FLUSHES)
        self._stopping = False

    async def serve(self, request: pb.WatchRequest, sink: Sink) -> None:
        """Never returns by itself; raises Unavailable when it ends from this side."""
        if self._stopping:
            raise Unavailable("the meta node is stopping; watch another")
        selected = _FILTERS.get(request.filter_type)
        if selected is None:
            raise InvalidRequest(
                f"filter_type must be ALL (0), UPDATE (1) or DELETE (2), not {request.filter_type}"
            )
        if not request.initial_flush:
            await self._watch(request, selected, sink, lambda: None)
            return
        await self._flushes.acquire()
        flushed = _Once(self._flushes.release)
        try:
            await self._watch(request, selected, sink, flushed)
        finally:
            flushed()

    async def _watch(
        self, request: pb.WatchRequest, selected: Filter, sink: Sink, flushed: Callable[[], None]
    ) -> None:
        delivery = _Delivery(sink, self._metrics, flushed)
        end = request.key_end if request.HasField("key_end") else None
        watcher = self._hub.watch(request.key, end, selected, request.initial_flush, delivery.wake)
        self._open.add(delivery)
        self._metrics.watchers_changed(1)
        try:
            await sink.open()
            await delivery.run(watcher, request.initial_flush)
        finally:
            watcher.close()
            self._open.discard(delivery)
            self._metrics.watchers_changed(-1)

    def stop(self) -> None:
        """End every watch, and refuse new ones."""
        self._stopping = True
        for delivery in list(self._open):
            delivery.end(Unavailable("the meta node is stopping; watch another"))


class _Once:
    """Calls ``action`` the first time it is called."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def __call__(self) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


class _Delivery:
    """One watcher's changes on their way to one client.

    The sending runs in a task of its own, because a client that stopped reading
    holds it inside ``send``, where only a cancellation reaches it.
    """

    def __init__(self, sink: Sink, metrics: Metrics, flushed: Callable[[], None]) -> None:
        """``flushed`` is called when the initial flush is over."""
        self._sink = sink
        self._flushed = flushed
        self._metrics = metrics
        self._awake = asyncio.Event()
        self._ended: asyncio.Future[Unavailable] = asyncio.get_running_loop().create_future()
        self._watcher: Watcher | None = None

    def wake(self) -> None:
        """The hub's call: there is something to take, or the watcher was let go."""
        self._awake.set()
        try:
            if self._watcher is not None:
                self._watcher.take(0)
        except WatcherTooSlow as reason:
            self.end(reason)

    def end(self, reason: Unavailable) -> None:
        """Make ``run`` raise ``reason``."""
        if not self._ended.done():
            self._ended.set_result(reason)

    async def run(self, watcher: Watcher, flush: bool) -> None:
        """Send until cancelled or ended."""
        self._watcher = watcher
        sending = asyncio.ensure_future(self._send_all(watcher, flush))
        try:
            await asyncio.wait((sending, self._ended), return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                raise self._ended.result()
            sending.result()
        finally:
            sending.cancel()
            await asyncio.wait((sending,))

    async def _send_all(self, watcher: Watcher, flush: bool) -> None:
        if flush:
            await self._send_flush(watcher)
            self._flushed()
        while True:
            await self._awake.wait()
            self._awake.clear()
            while changes := watcher.take():
                for change in changes:
                    await self._sink.room()
                    await self._sink.send(watch_event(change))
                self._metrics.watch_items(0, len(changes))
                await asyncio.sleep(0)

    async def _send_flush(self, watcher: Watcher) -> None:
        try:
            for page in watcher.flush():
                async with asyncio.timeout(FLUSH_PAGE_SECONDS):
                    for key, record in page:
                        await self._sink.room()
                        response = pb.WatchResponse(is_initialization=True)
                        response.event.key = key
                        write_record(record, response.event.current)
                        await self._sink.send(response)
                self._metrics.watch_items(len(page), 0)
                await asyncio.sleep(0)
        except TimeoutError:
            raise WatcherTooSlow(
                f"the initial flush stood still for {FLUSH_PAGE_SECONDS:.0f} s; watch again, and read faster"
            ) from None
        watcher.take(0)  # raises when the watcher was let go and the flush cut short
        await self._sink.send(pb.WatchResponse())
