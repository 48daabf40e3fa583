"""One snapshot on every node: asked of all at the same time, and what each then holds."""

import asyncio
import json
from typing import Any

from fastapi import Request

from diag.admin import views
from diag.admin.relay import SOON, Relay, ask_for
from diag.errors import MetaError, NotInTime, Unavailable
from diag.replication import NodeAddress, OrderedLog, SnapshotFacts

_PATH = "/v1/ctrl/trigger_snapshot"
_AGAIN_SECONDS = 0.2


async def trigger_elsewhere(relay: Relay, request: Request) -> None:
    """Have the other nodes begin; one that cannot be reached is left out."""

    async def here() -> None:
        """This node's own is begun by the caller."""

    async def there(node: NodeAddress) -> None:
        await relay.hear(node, ask_for(request, _PATH, []), SOON)

    await relay.everyone(here, there)


async def held_everywhere(
    log: OrderedLog, relay: Relay, request: Request, own: asyncio.Task[SnapshotFacts], wait: float
) -> dict[str, Any]:
    """What each node holds once all have a snapshot at least as new as this node's, ``own``.

    A node that has none after ``wait`` seconds, or cannot be reached, is told with the reason. NotInTime
    when this node's own is not done by then.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait

    async def here() -> dict[str, Any]:
        return _told(log.status().node, views.snapshot(await _within(own, wait)))

    async def there(node: NodeAddress) -> dict[str, Any]:
        while True:
            left = max(0.001, deadline - loop.time())
            question = ask_for(request, _PATH, [("wait", f"{left:.3f}")])
            told = _snapshot_of((await relay.hear(node, question, left)).content)
            least = (await _within(own, max(0.0, deadline - loop.time()))).log_id.index
            if told["snapshot"]["last_log_id"]["index"] >= least:
                return told
            if loop.time() + _AGAIN_SECONDS > deadline:
                raise NotInTime(f"Node {node.node_id} has no snapshot up to entry {least} after {wait:g} s.")
            await asyncio.sleep(_AGAIN_SECONDS)

    results = await relay.everyone(here, there)
    await _within(own, 0)  # a failure here is the answer
    return {"nodes": [_or_error(node, result) for node, result in results]}


async def held_here(log: OrderedLog, own: asyncio.Task[SnapshotFacts], wait: float) -> dict[str, Any]:
    """The same of this node alone, as other nodes ask for it."""
    return {"nodes": [_told(log.status().node, views.snapshot(await _within(own, wait)))]}


async def _within(task: asyncio.Task[SnapshotFacts], wait: float) -> SnapshotFacts:
    done, _ = await asyncio.wait([task], timeout=wait)
    if not done:
        raise NotInTime(f"The snapshot is still being written after {wait:g} s; it goes on, ask again.")
    return task.result()


def _told(node: NodeAddress, snapshot: dict[str, Any]) -> dict[str, Any]:
    return {"id": node.node_id, "name": node.name, "snapshot": snapshot}


def _or_error(node: NodeAddress, result: dict[str, Any] | MetaError) -> dict[str, Any]:
    if isinstance(result, MetaError):
        return {"id": node.node_id, "name": node.name, "error": str(result)}
    return result


def _snapshot_of(content: bytes) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(content)["nodes"][0]
        int(told["snapshot"]["last_log_id"]["index"])
    except (ValueError, LookupError, TypeError):
        raise Unavailable("Its answer names no snapshot.") from None
    return told
