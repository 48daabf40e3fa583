"""Watchers: who is told of which key, each through its own bounded queue.

Everything runs on one thread, the one that publishes. A change finds its watchers
by the key itself and by the common prefixes of the ranges there are: every key in
``[start, end)`` starts with what the two bounds share, so a bucket a prefix is
enough, and a change costs one look-up for each length of such a prefix.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from os.path import commonprefix

from diag.errors import InvalidRequest, WatcherTooSlow
from diag.kv.records import Change, Record
from diag.kv.store import Store

#: Entries that may be applied while a flush holds its read transaction open.
_FLUSH_ENTRIES = 200_000
_FLUSH_PAGE = 256
_FLUSH_PAGE_BYTES = 1 << 20


class Filter(IntEnum):
    """Which changes a watcher gets; numbers as on the wire."""

    ALL = 0
    UPDATE = 1
    DELETE = 2


class Watcher:
    """One watch stream. Its queue is bounded in events and in bytes; beyond them it is let go."""

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
        self._flush: Iterator[list[tuple[str, Record]]] = iter(())
        self._flushing = False
        #: Entries up to this index are in the flush, or before the watch.
        self._seen_index = 0

    def flush(self) -> Iterator[list[tuple[str, Record]]]:
        """Pages of the initial flush, all of one state; nothing when none was asked.

        To be exhausted before live changes are sent. Raises ``WatcherTooSlow`` when
        its reader falls too far behind the writers.
        """
        return self._flush

    def take(self, limit: int = 256) -> list[Change]:
        """Waiting changes in order, none when there are none; ``WatcherTooSlow`` once let go."""
        if self._too_slow:
            raise WatcherTooSlow(
                f"The watch of {self.key!r} fell behind its queue of {self._hub.max_events} changes or "
                f"{self._hub.max_bytes} bytes and was ended; watch again with an initial flush."
            )
        queue = self._queue
        taken = [queue.popleft() for _ in range(min(limit, len(queue)))]
        for change in taken:
            self._bytes -= _size(change)
        return taken

    def close(self) -> None:
        """Stop watching and free what waits; idempotent."""
        if not self._closed:
            self._closed = True
            self._hub._remove(self)
            self._queue.clear()
            self._bytes = 0
            close = getattr(self._flush, "close", None)
            if close is not None:
                close()

    def _start_flush(self, store: Store) -> None:
        self._flush = self._pages(store)
        self._flushing = True
        # Runs to the first page: the state is pinned before the caller does anything else.
        first = next(self._flush)
        self._flush = _chain(first, self._flush)

    def _pages(self, store: Store) -> Iterator[list[tuple[str, Record]]]:
        with store.read() as txn:
            self._seen_index = txn.applied().index
            page: list[tuple[str, Record]] = []
            size = 0
            for item in self._items(txn.get, txn.scan_range):
                page.append(item)
                size += len(item[1].data)
                if len(page) >= _FLUSH_PAGE or size >= _FLUSH_PAGE_BYTES:
                    yield page
                    if self._too_slow:
                        self.take()
                    page, size = [], 0
        self._flushing = False
        yield page

    def _items(
        self,
        get: Callable[[str], Record | None],
        scan: Callable[[str, str], Iterator[tuple[str, Record]]],
    ) -> Iterator[tuple[str, Record]]:
        if self.key_end is not None:
            yield from scan(self.key, self.key_end)
        elif (record := get(self.key)) is not None:
            yield self.key, record

    def _offer(self, index: int, change: Change) -> None:
        """Queue a change of entry ``index``, unless it is filtered or already known."""
        if index <= self._seen_index or self._filter == (
            Filter.UPDATE if change.current is None else Filter.DELETE
        ):
            return
        self._queue.append(change)
        self._bytes += _size(change)
        behind = self._flushing and index - self._seen_index > _FLUSH_ENTRIES
        if behind or len(self._queue) > self._hub.max_events or self._bytes > self._hub.max_bytes:
            self._let_go()
        elif len(self._queue) == 1:
            self._wake()

    def _let_go(self) -> None:
        self._too_slow = True
        self._hub.dropped += 1
        self.close()
        self._wake()


class WatchHub:
    """All watchers of a node; ``dropped`` counts those let go for being too slow."""

    def __init__(self, store: Store, *, max_events: int = 10_000, max_bytes: int = 16 << 20) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.dropped = 0
        self._store = store
        self._exact: dict[str, set[Watcher]] = {}
        self._buckets: dict[str, dict[tuple[str, str], set[Watcher]]] = {}
        self._lengths: Counter[int] = Counter()
        self._flushing: set[Watcher] = set()
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
            watcher._start_flush(self._store)
        else:
            with self._store.read() as txn:
                watcher._seen_index = txn.applied().index
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
        prefix = commonprefix((watcher.key, watcher.key_end))
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
        prefix = commonprefix((watcher.key, watcher.key_end))
        bucket = self._buckets[prefix]
        _discard(bucket, (watcher.key, watcher.key_end), watcher)
        if not bucket:
            del self._buckets[prefix]
            self._lengths[len(prefix)] -= 1
            if not self._lengths[len(prefix)]:
                del self._lengths[len(prefix)]
