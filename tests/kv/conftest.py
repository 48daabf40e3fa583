"""A fresh store for each test that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.kv.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store", map_size=1 << 30) as opened:
        yield opened
