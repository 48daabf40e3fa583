"""Watchers: who is told of which key, each through its own bounded queue.

Everything runs on one thread, the one that publishes. A change finds its watchers
by the key itself and by the common prefixes of the ranges there are: every key in
``[start, end)`` starts with what the two bounds share, so a bucket a prefix is
enough, and a change costs one look-up for each length of such a prefix.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from enum import IntEnum
from typing import TypeVar

from diag.errors import InvalidRequest, WatcherTooSlow
from diag.kv.reading import ReadTxn
from diag.kv.records import Change, Record
from diag.kv.store import Store

#: Entries that may be applied while a flush holds its read transaction open.
_FLUSH_ENTRIES = 200_000
_FLUSH_PAGE = 256
_FLUSH_PAGE_BYTES = 1 << 20
_CHANGE_BYTES = 400

_Place = TypeVar("_Place")


class Filter(IntEnum):
    """Which changes a watcher gets; numbers as on the wire."""

    ALL = 0
    UPDATE = 1
    DELETE = 2


class Watcher:
    """One watch stream. Its queue is bounded in changes and in bytes; beyond them it is let go."""

    def __init__(
        self, hub: "WatchHub", key: str, key_end: str | None, kind: Filter, wake: Callable[[], None]
    ) -> None:
        self.key = key
        self.key_end = key_end
        self._hub = hub
        self._filter = kind
        self._wake = wake
        self._queue: deque[Change] = deque()
        self._bytes = 0
        self._closed = False
        self._too_slow = False
        self._pages: Generator[list[tuple[str, Record]], None, None] | None = None
        #: What entries up to this index did is in the flush already.
        self._flushed_index = 0

    def flush(self) -> Iterator[list[tuple[str, Record]]]:
        """Pages of the initial flush, all of one state; nothing when none was asked.

        To be exhausted before live changes are sent. Raises ``WatcherTooSlow`` when
        its reader falls too far behind the writers.
        """
        if self._pages is not None:
            yield from self._pages
            self._pages = None
            self._refuse_too_slow()

    def take(self, limit: int = 256) -> list[Change]:
        """Waiting changes in order, none when there are none; ``WatcherTooSlow`` once let go."""
        self._refuse_too_slow()
        queue = self._queue
        taken = [queue.popleft() for _ in range(min(limit, len(queue)))]
        self._account(-sum(map(_cost, taken)))
        return taken

    def close(self) -> None:
        """Stop watching and free what waits; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._hub._remove(self)
        self._queue.clear()
        self._account(-self._bytes)
        if self._pages is not None:
            self._pages.close()

    def _begin_flush(self, store: Store) -> None:
        """Pin the state to flush, before anything else can be published."""
        self._pages = self._read_pages(store)
        next(self._pages)

    def _read_pages(self, store: Store) -> Generator[list[tuple[str, Record]], None, None]:
        with store.read() as txn:
            self._flushed_index = txn.applied().index
            yield []
            page: list[tuple[str, Record]] = []
            size = 0
            for item in self._records(txn):
                page.append(item)
                size += len(item[1].data)
                if len(page) >= _FLUSH_PAGE or size >= _FLUSH_PAGE_BYTES:
                    yield page
                    page, size = [], 0
        if page:
            yield page

    def _records(self, txn: ReadTxn) -> Iterator[tuple[str, Record]]:
        if self.key_end is not None:
            yield from txn.scan_range(self.key, self.key_end)
        elif (record := txn.get(self.key)) is not None:
            yield self.key, record

    def _offer(self, index: int, change: Change) -> None:
        """Queue a change of entry ``index``, unless it is filtered or was flushed."""
        unwanted = Filter.UPDATE if change.current is None else Filter.DELETE
        if self._closed or index <= self._flushed_index or self._filter is unwanted:
            return
        self._queue.append(change)
        self._account(_cost(change))
        if self._is_behind(index):
            self._too_slow = True
            self._hub.dropped += 1
            self.close()
            self._wake()
        elif len(self._queue) == 1:
            self._wake()

    def _is_behind(self, index: int) -> bool:
        hub = self._hub
        waiting = len(self._queue)
        if self._pages is not None and index - self._flushed_index > _FLUSH_ENTRIES:
            return True
        # One change alone is never too much, however large: its taker may be about to come.
        if waiting <= 1:
            return False
        if waiting > hub.max_events or self._bytes > hub.max_bytes:
            return True
        return (
            hub.waiting_bytes > hub.max_total_bytes and self._bytes * hub.watcher_count >= hub.waiting_bytes
        )

    def _account(self, cost: int) -> None:
        self._bytes += cost
        self._hub.waiting_bytes += cost

    def _refuse_too_slow(self) -> None:
        if self._too_slow:
            raise WatcherTooSlow(
                f"The watch of {self.key!r} fell too far behind the writers and was ended; "
                "watch again with an initial flush."
            )


class WatchHub:
    """All watchers of a node; ``dropped`` counts those let go for being too slow."""

    def __init__(
        self,
        store: Store,
        *,
        max_events: int = 4096,
        max_bytes: int = 8 << 20,
        max_total_bytes: int = 256 << 20,
    ) -> None:
        """The first two bound one watcher's queue; the last all queues, and lets the longer ones go."""
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.max_total_bytes = max_total_bytes
        self.waiting_bytes = 0
        self.dropped = 0
        self._store = store
        self._exact: dict[str, set[Watcher]] = {}
        self._buckets: dict[str, dict[tuple[str, str], set[Watcher]]] = {}
        self._lengths: Counter[int] = Counter()
        self._count = 0

    @property
    def watcher_count(self) -> int:
        """Open watchers."""
        return self._count

    def watch(
        self,
        key: str,
        key_end: str | None,
        kind: Filter,
        initial_flush: bool,
        wake: Callable[[], None],
    ) -> Watcher:
        """Watch one key, or ``[key, key_end)``.

        ``wake`` is called when the queue turns non-empty and when the watcher is let
        go; it must only signal. Raises ``InvalidRequest`` for an empty range.
        """
        if key_end is not None and key_end <= key:
            raise InvalidRequest(f"empty range: key_end {key_end!r} is not above key {key!r}.")
        watcher = Watcher(self, key, key_end, kind, wake)
        if initial_flush:
            watcher._begin_flush(self._store)
        self._add(watcher)
        return watcher

    def publish(self, index: int, changes: Sequence[Change]) -> None:
        """Hand the changes of an applied entry to those who watch; never waits."""
        if not self._count:
            return
        for change in changes:
            for watcher in self._watchers_of(change.key):
                watcher._offer(index, change)

    def _watchers_of(self, key: str) -> list[Watcher]:
        found = list(self._exact.get(key, ()))
        for length in self._lengths:
            if length > len(key):
                continue
            for (start, end), watchers in self._buckets.get(key[:length], {}).items():
                if start <= key < end:
                    found.extend(watchers)
        return found

    def _add(self, watcher: Watcher) -> None:
        self._count += 1
        if watcher.key_end is None:
            self._exact.setdefault(watcher.key, set()).add(watcher)
            return
        prefix = _shared(watcher.key, watcher.key_end)
        bucket = self._buckets.get(prefix)
        if bucket is None:
            bucket = self._buckets[prefix] = {}
            self._lengths[len(prefix)] += 1
        bucket.setdefault((watcher.key, watcher.key_end), set()).add(watcher)

    def _remove(self, watcher: Watcher) -> None:
        self._count -= 1
        if watcher.key_end is None:
            _discard(self._exact, watcher.key, watcher)
            return
        prefix = _shared(watcher.key, watcher.key_end)
        bucket = self._buckets[prefix]
        _discard(bucket, (watcher.key, watcher.key_end), watcher)
        if not bucket:
            del self._buckets[prefix]
            self._lengths[len(prefix)] -= 1
            if not self._lengths[len(prefix)]:
                del self._lengths[len(prefix)]


def _discard(table: dict[_Place, set[Watcher]], place: _Place, watcher: Watcher) -> None:
    watchers = table[place]
    watchers.discard(watcher)
    if not watchers:
        del table[place]


def _cost(change: Change) -> int:
    """About the bytes a waiting change keeps alive."""
    _, prev, current = change
    data = (0 if prev is None else len(prev.data)) + (0 if current is None else len(current.data))
    return _CHANGE_BYTES + len(change.key) + data


def _shared(start: str, end: str) -> str:
    """The longest string both start with."""
    for place, (one, other) in enumerate(zip(start, end, strict=False)):
        if one != other:
            return start[:place]
    return start
