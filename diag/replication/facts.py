"""A snapshot's facts as the admin API and the metrics present them."""

from diag.kv.snapshot import SnapshotInfo
from diag.replication import LogId, SnapshotFacts


def snapshot_facts(info: SnapshotInfo) -> SnapshotFacts:
    """Of a durable snapshot."""
    return SnapshotFacts(
        log_id=LogId(*info.position),
        path=info.path,
        key_count=info.key_count,
        expire_count=info.expire_count,
        size=info.size,
        content_hash=info.content_hash,
        created_ms=info.created_ms,
        seconds=info.seconds,
    )
