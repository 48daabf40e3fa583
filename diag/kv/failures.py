"""What the engine or the disk refused, counted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from diag.errors import StoreError


@dataclass(frozen=True)
class StoreFailures:
    """How often the engine or the disk failed since the store was opened, by what it failed in."""

    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)


@contextmanager
def counted(failures: Counter[str], function: str) -> Iterator[None]:
    try:
        yield
    except StoreError:
        failures[function] += 1
        raise
