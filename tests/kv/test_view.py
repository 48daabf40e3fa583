"""Reads as clients see them."""

from diag.kv.apply import apply
from diag.kv.commands import Branch, Lifetime, Operation, Put, SetFeature, Transaction
from diag.kv.records import Record
from diag.kv.store import Store
from diag.kv.view import PAGE_BYTES, Page, Reader

NOW = 1_795_451_457_069


def _run(store: Store, *operations: Operation) -> None:
    with store.write() as txn:
        apply(txn, Transaction((Branch(None, operations),)), NOW)


def test_an_empty_store(store: Store) -> None:
    reader = Reader(store)
    assert reader.get("a", NOW) is None
    assert reader.mget([], NOW) == []
    assert reader.page("", None, 10, NOW) == Page([], None)
    assert reader.count_prefix("", NOW) == 0
    assert reader.features() == ()


def test_expired_records_are_hidden_before_they_are_purged(store: Store) -> None:
    _run(store, Put("a", b"", Lifetime(ttl_ms=5)), Put("b", b""))
    reader = Reader(store)
    assert reader.get("a", NOW + 5) == Record(1, b"", NOW + 5, NOW)
    assert reader.get("a", NOW + 6) is None
    assert [record is None for record in reader.mget(["a", "b", "a", "x"], NOW + 6)] == [
        True,
        False,
        True,
        True,
    ]
    assert [key for key, _ in reader.page("", None, 10, NOW + 6).records] == ["b"]
    assert reader.count_prefix("", NOW + 6) == 1


def test_a_key_too_long_to_exist_is_absent(store: Store) -> None:
    assert Reader(store).get("k" * 100_000, NOW) is None


def test_pages_join_to_the_whole(store: Store) -> None:
    _run(store, *(Put(f"p/{n:03d}", b"", Lifetime(ttl_ms=n % 2 * 10)) for n in range(50)), Put("q", b""))
    reader = Reader(store)
    for limit in (1, 7, 25, 50, 100):
        found: list[str] = []
        after: str | None = None
        while True:
            page = reader.page("p/", after, limit, NOW + 5)
            found += [key for key, _ in page.records]
            after = page.after
            if after is None:
                break
        assert found == [f"p/{n:03d}" for n in range(1, 50, 2)]


def test_a_page_is_bounded_in_bytes(store: Store) -> None:
    _run(store, *(Put(f"k{n}", b"v" * (PAGE_BYTES // 2)) for n in range(4)))
    page = Reader(store).page("", None, 100, NOW)
    assert [key for key, _ in page.records] == ["k0", "k1"]
    assert page.after == "k1"


def test_features(store: Store) -> None:
    with store.write() as txn:
        apply(txn, SetFeature("dummy", True), NOW)
    assert Reader(store).features() == ("dummy",)
