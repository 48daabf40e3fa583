"""Watchers: what each is told, in which order, and what a slow one costs."""

import tracemalloc
from collections.abc import Callable

import pytest

from diag.errors import InvalidRequest, WatcherTooSlow
from diag.kv.apply import apply
from diag.kv.commands import Branch, Delete, Operation, Put, Transaction
from diag.kv.records import Change, Record
from diag.kv.state import Position
from diag.kv.store import Store
from diag.kv.watch import Filter, Watcher, WatchHub


class Node:
    """A store and its hub; a write can be committed now and published later, as the log does."""

    def __init__(self, store: Store, **bounds: int) -> None:
        self.store = store
        self.hub = WatchHub(store, **bounds)
        self.woken = 0

    def commit(self, *operations: Operation) -> Callable[[], None]:
        with self.store.write() as txn:
            _, changes = apply(txn, Transaction((Branch(None, operations),)), 1000)
            index = txn.applied().index + 1
            txn.set_applied(Position(1, 0, index))
        return lambda: self.hub.publish(index, changes)

    def run(self, *operations: Operation) -> None:
        self.commit(*operations)()

    def watch(
        self, key: str, key_end: str | None = None, kind: Filter = Filter.ALL, flush: bool = False
    ) -> Watcher:
        return self.hub.watch(key, key_end, kind, flush, self.wake)

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture
def node(store: Store) -> Node:
    return Node(store)


def _keys(changes: list[Change]) -> list[str]:
    return [change.key for change in changes]


def test_nothing_watched_nothing_told(node: Node) -> None:
    node.run(Put("a", b""))
    assert node.hub.watcher_count == 0
    watcher = node.watch("a")
    assert watcher.take() == []
    assert list(watcher.flush()) == []


def test_a_key_and_a_range(node: Node) -> None:
    exact, within = node.watch("d/1"), node.watch("d/", "d0")
    node.run(Put("d", b""), Put("d/", b""), Put("d/1", b""), Put("d/2", b""), Put("d0", b""), Put("e", b""))
    assert _keys(exact.take()) == ["d/1"]
    assert _keys(within.take()) == ["d/", "d/1", "d/2"]
    assert node.woken == 2


def test_ranges_of_every_shape_agree_with_comparison(node: Node) -> None:
    names = ["", "a", "a/", "a/1", "a0", "b", "é", "é/", "zz"]
    pairs = [(low, high) for low in names for high in names if low < high]
    watchers = [(pair, node.watch(*pair)) for pair in pairs]
    node.run(*(Put(name, b"") for name in names))
    for (low, high), watcher in watchers:
        assert _keys(watcher.take()) == [name for name in names if low <= name < high]


@pytest.mark.parametrize("end", ["a", "b"])
def test_an_empty_range_is_refused(node: Node, end: str) -> None:
    with pytest.raises(InvalidRequest, match="empty range"):
        node.watch("b", end)


def test_filters(node: Node) -> None:
    updates, deletes = node.watch("a", kind=Filter.UPDATE), node.watch("a", kind=Filter.DELETE)
    node.run(Put("a", b"1"))
    node.run(Delete("a"))
    assert [change.current is None for change in updates.take()] == [False]
    assert [change.current is None for change in deletes.take()] == [True]


def test_take_is_in_order_and_bounded(node: Node) -> None:
    watcher = node.watch("", "z")
    for number in range(5):
        node.run(Put(f"k{number}", b""))
    assert _keys(watcher.take(2)) == ["k0", "k1"]
    assert _keys(watcher.take(9)) == ["k2", "k3", "k4"]
    assert watcher.take() == []
    assert node.hub.waiting_bytes == 0


def test_closing_frees_and_is_idempotent(node: Node) -> None:
    watchers = [node.watch("a"), node.watch("a", "b"), node.watch("a", "b")]
    node.run(Put("a", b"x" * 1000))
    for watcher in watchers:
        watcher.close()
        watcher.close()
    assert (node.hub.watcher_count, node.hub.waiting_bytes) == (0, 0)
    node.run(Put("a", b""))
    assert watchers[0].take() == []


def test_the_flush_is_one_state_and_joins_without_gap_or_repeat(node: Node) -> None:
    node.run(*(Put(f"d/{number:04d}", b"old") for number in range(1000)))
    unpublished = node.commit(Put("d/0500", b"committed"))
    watcher = node.watch("d/", "d0", flush=True)
    unpublished()
    pages = watcher.flush()
    first = next(pages)
    node.run(Put("d/0999", b"new"), Delete("d/0001"))
    flushed = dict(first + [item for page in pages for item in page])
    assert len(flushed) == 1000
    assert flushed["d/0500"].data == b"committed"
    assert flushed["d/0999"].data == b"old"
    assert _keys(watcher.take()) == ["d/0999", "d/0001"]


def test_the_flush_of_a_key(node: Node) -> None:
    assert list(node.watch("a", flush=True).flush()) == []
    node.run(Put("a", b"1"))
    (page,) = node.watch("a", flush=True).flush()
    assert page == [("a", Record(1, b"1", None, 1000))]


@pytest.mark.parametrize("bounds", [{"max_events": 10}, {"max_bytes": 5000}, {"max_total_bytes": 5000}])
def test_a_slow_watcher_is_let_go_and_others_go_on(store: Store, bounds: dict[str, int]) -> None:
    node = Node(store, **bounds)
    slow, quick = node.watch("a"), node.watch("", "z")
    taken = 0
    for _ in range(20):
        node.run(Put("a", b"x" * 100))
        taken += len(quick.take())
    with pytest.raises(WatcherTooSlow, match="watch again"):
        slow.take()
    assert taken == 20
    assert (node.hub.dropped, node.hub.watcher_count, node.hub.waiting_bytes) == (1, 1, 0)


def test_one_large_change_is_not_too_much(store: Store) -> None:
    node = Node(store, max_bytes=1000)
    watcher = node.watch("a")
    node.run(Put("a", b"x" * 100_000))
    assert len(watcher.take()) == 1


def test_a_watcher_let_go_in_its_flush_hears_of_it(store: Store) -> None:
    node = Node(store, max_events=3)
    node.run(*(Put(f"d/{number:04d}", b"") for number in range(1000)))
    watcher = node.watch("d/", "d0", flush=True)
    pages = watcher.flush()
    next(pages)
    for _ in range(5):
        node.run(Put("d/0001", b""))
    with pytest.raises(WatcherTooSlow):
        list(pages)


def test_ten_thousand_slow_watchers_cost_bounded_memory(store: Store) -> None:
    bound = 8 << 20
    node = Node(store, max_total_bytes=bound)
    tracemalloc.start()
    try:
        watchers = [node.watch(f"d{number % 100}/", f"d{number % 100}0") for number in range(9_900)]
        watchers += [node.watch("hot") for _ in range(100)]
        for number in range(300):
            node.run(Put(f"d{number % 100}/{number}", b"x" * 1000), Put("hot", b"x" * 1000))
        assert node.hub.waiting_bytes <= bound + (1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert node.hub.dropped > 0
    assert node.hub.watcher_count == 10_000 - node.hub.dropped
    assert peak < 64 << 20
    for watcher in watchers:
        watcher.close()
    assert (node.hub.watcher_count, node.hub.waiting_bytes) == (0, 0)
