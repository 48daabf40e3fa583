"""One node's view of itself and the cluster, as another node may ask for it: a JSON object.

A field that is unknown is passed over and one that is missing has a default, since nodes of two versions
talk while a cluster is upgraded.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from diag.errors import Unavailable
from diag.replication import ClusterStatus, LogId

_START = LogId(0, 0, 0)
_LOG_IDS = frozenset(("last_applied", "snapshot", "purged"))


@dataclass(frozen=True)
class NodeView:
    """The parts of a ``ClusterStatus`` that others need. ``leader`` is a node id; sizes are bytes."""

    node_id: int
    name: str = ""
    state: str = ""
    term: int = 0
    leader: int | None = None
    last_log_index: int = 0
    last_applied: LogId = _START
    purged: LogId | None = None
    snapshot: LogId | None = None
    snapshot_hash: str | None = None
    voters: tuple[int, ...] = ()
    non_voters: tuple[int, ...] = ()
    last_seq: int = 0
    key_count: int = 0
    db_size: int = 0
    log_size: int = 0

    @classmethod
    def of(cls, status: ClusterStatus) -> "NodeView":
        """This node's, now."""
        snapshot = status.snapshot
        return cls(
            node_id=status.node.node_id,
            name=status.node.name,
            state=status.state,
            term=status.term,
            leader=None if status.leader is None else status.leader.node_id,
            last_log_index=status.last_log_index,
            last_applied=status.last_applied,
            purged=status.purged,
            snapshot=None if snapshot is None else snapshot.log_id,
            snapshot_hash=None if snapshot is None else snapshot.content_hash,
            voters=tuple(node.node_id for node in status.voters),
            non_voters=tuple(node.node_id for node in status.non_voters),
            last_seq=status.last_seq,
            key_count=status.key_count,
            db_size=status.db_size,
            log_size=status.log_size,
        )

    def to_json(self) -> str:
        """An object; a position is ``{"term", "node_id", "index"}``."""
        written = asdict(self)
        for name in _LOG_IDS:
            position: LogId | None = getattr(self, name)
            written[name] = None if position is None else position._asdict()
        return json.dumps(written)

    @classmethod
    def from_json(cls, text: str) -> "NodeView":
        """Raises Unavailable for what no node would say of itself."""
        try:
            known = {field.name for field in fields(cls)}
            said = {name: _read(name, value) for name, value in json.loads(text).items() if name in known}
            return cls(**said)
        except (ValueError, TypeError, AttributeError) as error:
            raise Unavailable(
                f"a node's status is not understood ({error}); is it of another version?"
            ) from error


def _read(name: str, value: Any) -> Any:
    if name in _LOG_IDS and value is not None:
        return LogId(**value)
    return tuple(value) if isinstance(value, list) else value
