"""What each node holds once a snapshot was asked of one: the log has every node write it."""

import asyncio
import json
from typing import Any

from diag.admin import views
from diag.admin.relay import SOON, Relay, question_of_node
from diag.errors import MetaError, NotInTime, Unavailable
from diag.replication import NodeAddress, OrderedLog, SnapshotFacts

_STATUS = "/v1/cluster/status"
_AGAIN_SECONDS = 0.1


async def held_everywhere(
    log: OrderedLog, relay: Relay, own: asyncio.Task[SnapshotFacts], wait: float
) -> dict[str, Any]:
    """What each node holds once all that can be reached have a snapshot as new as this node's, ``own``.

    A node that has none after ``wait`` seconds, or cannot be reached, is told with the reason. NotInTime
    when this node's own is not done by then.
    """
    deadline = asyncio.get_running_loop().time() + wait
    facts = await _within(own, wait)

    async def here() -> dict[str, Any]:
        return views.snapshot(facts)

    async def there(node: NodeAddress) -> dict[str, Any]:
        return await _held_by(relay, node, facts.log_id.index, deadline)

    results = await relay.everyone(here, there)
    return {"nodes": [_told(node, result) for node, result in results]}


async def _held_by(relay: Relay, node: NodeAddress, least: int, deadline: float) -> dict[str, Any]:
    """That node's snapshot of entry ``least`` or a later one, by its status."""
    loop = asyncio.get_running_loop()
    while True:
        snapshot = _snapshot_of(
            (await relay.hear(node, question_of_node(relay.own(), _STATUS), SOON)).content
        )
        if snapshot is not None and snapshot["last_log_id"]["index"] >= least:
            return snapshot
        if loop.time() + _AGAIN_SECONDS > deadline:
            raise NotInTime(f"Node {node.node_id} has no snapshot of entry {least} yet; it may still come.")
        await asyncio.sleep(_AGAIN_SECONDS)


async def _within(task: asyncio.Task[SnapshotFacts], wait: float) -> SnapshotFacts:
    done, _ = await asyncio.wait([task], timeout=wait)
    if not done:
        raise NotInTime(
            f"The snapshot is still being written after {wait:g} s, or waits for a majority of nodes; "
            "it goes on, ask again."
        )
    return task.result()


def _told(node: NodeAddress, result: dict[str, Any] | MetaError) -> dict[str, Any]:
    held = {"error": str(result)} if isinstance(result, MetaError) else {"snapshot": result}
    return {"id": node.node_id, "name": node.name, **held}


def _snapshot_of(content: bytes) -> dict[str, Any] | None:
    try:
        snapshot: dict[str, Any] | None = json.loads(content)["snapshot"]
    except (ValueError, LookupError, TypeError):
        raise Unavailable("Its status names no snapshot: it is of another version.") from None
    return snapshot
