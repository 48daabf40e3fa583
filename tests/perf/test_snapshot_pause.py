"""The measurement of writers' pauses at a snapshot, with a state that is small."""

from pathlib import Path

import pytest

from diag.kv.store import Store
from diag.perf.snapshot_pause import fill, longest_gap, measure


def test_few_moments_have_no_gap() -> None:
    assert longest_gap([]) == 0
    assert longest_gap([1.0]) == 0
    assert longest_gap([1.0, 1.5, 4.0, 4.25]) == 2.5


def test_a_state_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    with Store.open(tmp_path) as store, store.read() as txn:
        assert store.size() >= 8 * 2**20
        assert txn.applied().index == txn.key_count() == txn.seq()


@pytest.mark.long
@pytest.mark.usefixtures("etcd")
def test_three_nodes_are_measured(tmp_path: Path) -> None:
    (figure,) = measure(tmp_path, 8)
    assert figure.value > 0
    assert "MiB on each node" in figure.detail
