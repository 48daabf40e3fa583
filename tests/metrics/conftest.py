"""A log that stands still, so that a scrape can be compared with known figures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from diag.kv.commands import Command, FeaturesAre, Reply
from diag.replication import Applied, ClusterStatus, LogCounters, LogId, NodeAddress, SnapshotFacts, Transfer

NODE = NodeAddress(1, "1", "localhost", 28103, "127.0.0.1:9191")
FACTS = SnapshotFacts(LogId(3, 1, 40), Path("/nowhere/40.snap"), 12, 3, 65536, "abc", 1_700_000_000_000, 0.25)


class StillLog:
    """An ``OrderedLog`` with fixed figures."""

    reads_are_local = True

    def __init__(self) -> None:
        self.state = "Leader"
        self.snapshot_facts: SnapshotFacts | None = FACTS
        self.replication: dict[int, LogId] = {}

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def propose(self, command: Command) -> Reply:
        return FeaturesAre(())

    async def read_index(self) -> int:
        return 41

    async def snapshot(self) -> SnapshotFacts:
        return FACTS

    async def transfer_leader(self, to: int | None) -> Transfer:
        return Transfer(1, 2, (1, 2))

    def leader_elsewhere(self) -> str | None:
        return None

    def status(self) -> ClusterStatus:
        return ClusterStatus(
            node=NODE,
            state=self.state,
            term=3,
            last_log_index=42,
            last_applied=LogId(3, 1, 41),
            purged=None,
            snapshot=self.snapshot_facts,
            leader=NODE if self.state == "Leader" else None,
            voters=(NODE,),
            non_voters=(),
            last_seq=17,
            key_count=13,
            db_size=1_048_576,
            log_size=4096,
            replication=self.replication,
        )

    def counters(self) -> LogCounters:
        return LogCounters(2, 1, 5, True, 15, store_write_failed={"apply": 3}, store_read_failed={"read": 1})

    def subscribe(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        return lambda: None


@pytest.fixture
def log() -> StillLog:
    return StillLog()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
