"""How many keys each directory of the key space holds, as SnapshotKeysLayout counts them."""

from collections.abc import Iterator
from typing import NamedTuple

from diag.kv.store import Store


class KeysCount(NamedTuple):
    """A directory, "" for all, and the number of keys anywhere below it."""

    prefix: str
    count: int  # type: ignore[assignment]  # the wire's name, over tuple.count


def keys_layout(store: Store, depth: int | None) -> Iterator[KeysCount]:
    """Each directory of at most ``depth`` parts when the scan leaves it, deepest first; the total last.

    A key is split at ``/`` and its last part dropped. One read transaction is held:
    read a snapshot, not the live store. Protocol section 5.9.
    """
    open_parts: list[str] = []
    counts: list[int] = []
    total = 0
    with store.read() as txn:
        for key, _ in txn.raw_items():
            parts = str(key, "utf-8").split("/")[:-1]
            shared = _shared(open_parts, parts)
            yield from _leave(open_parts, counts, shared, depth)
            open_parts += parts[shared:]
            counts += [0] * (len(parts) - shared)
            for level in range(len(counts)):
                counts[level] += 1
            total += 1
    yield from _leave(open_parts, counts, 0, depth)
    yield KeysCount("", total)


def _shared(one: list[str], other: list[str]) -> int:
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _leave(parts: list[str], counts: list[int], keep: int, depth: int | None) -> Iterator[KeysCount]:
    """Report and close the directories below the first ``keep`` parts."""
    while len(parts) > keep:
        if depth is None or len(parts) <= depth:
            yield KeysCount("/".join(parts), counts[-1])
        parts.pop()
        counts.pop()
