"""Which snapshot a node renews itself from when it is alone; with others, tests/e2e has real ones."""

from pathlib import Path

import pytest

from diag.errors import Unavailable
from diag.kv.snapshot import SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store
from diag.replication.ledger import Ledger
from diag.replication.peers import GrpcPeers
from diag.replication.renewal import Renewal

pytestmark = pytest.mark.anyio

CLUSTER = b"cluster1"


def renewal(path: Path) -> Renewal:
    return Renewal(GrpcPeers(dict), SnapshotStore(path / "snapshots"), 1, CLUSTER, 0.05)


def take(path: Path, index: int, cluster: bytes) -> None:
    with Store.open(path / f"store-{index}") as store:
        with store.write() as txn:
            txn.set_applied(Position(1, 1, index))
            txn.set_log_state(Ledger(cluster, index, index).pack() if cluster else b"")
        SnapshotStore(path / "snapshots").create(store, 0)


async def test_without_any_it_says_so_in_time(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"No snapshot came within 0.05 s: .* this one holds no snapshot"):
        await renewal(tmp_path).find()


@pytest.mark.parametrize("cluster", [b"", b"cluster2"])
async def test_one_that_the_log_did_not_lead_to_is_not_taken(tmp_path: Path, cluster: bytes) -> None:
    take(tmp_path, 7, cluster)
    with pytest.raises(Unavailable, match="is not of the cluster's log"):
        await renewal(tmp_path).find()


async def test_the_newest_of_its_own_is_taken(tmp_path: Path) -> None:
    take(tmp_path, 7, CLUSTER)
    take(tmp_path, 9, CLUSTER)
    assert (await renewal(tmp_path).find()).index == 9
