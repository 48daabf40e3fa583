"""``/``, its charts and its events; and the list of the API's routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from diag.admin import queries
from diag.admin.dashboard import links
from diag.admin.dashboard.charts import HEIGHT, WIDTH, charts
from diag.admin.dashboard.cluster import COLUMNS
from diag.admin.dashboard.live import Live
from diag.admin.dashboard.nodes import Nodes
from diag.admin.dashboard.shell import Shell
from diag.admin.relay import PARAMETERS, Relay
from diag.errors import InvalidRequest, MetaError
from diag.profilers.lock import ProfileLock
from diag.profilers.windows import Windows
from diag.replication import NodeAddress, OrderedLog

#: Seconds that a page waits for the other nodes; its events bring what comes later.
FIRST_PAINT: Final = 0.15

_EVENTS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, kw_only=True)
class OverviewPage:
    """``lock`` is only looked at, and ``windows`` say whether there are any."""

    shell: Shell
    nodes: Nodes
    live: Live
    relay: Relay
    log: OrderedLog
    lock: ProfileLock
    windows: Windows

    async def cluster(self, request: Request) -> Response:
        """Its head is on its way, and what that loads, while the nodes are asked."""
        target = self.relay.one(request, queries.only(request, PARAMETERS))

        async def nodes() -> tuple[str, Mapping[str, Any]]:
            overview = await self.nodes.overview(FIRST_PAINT)
            return "nodes.html", {"overview": overview, "columns": COLUMNS, **await self._charts(target)}

        return await self.shell.gradual(request, "cluster.html", nodes)

    async def charts(self, request: Request) -> Response:
        """The charts alone, for a page that is open."""
        target = self.relay.one(request, queries.only(request, PARAMETERS))
        return await self.shell.page(request, "charts.html", await self._charts(target))

    async def api(self, request: Request) -> Response:
        queries.only(request, [])
        status, holder = self.log.status(), self.lock.holder()
        profiles = (*links.PROFILES, *links.ALWAYS) if self.windows.all() else links.PROFILES
        values = {
            "status": status,
            "running": f"{holder.name}, {holder.remaining:.0f} s to go" if holder else "none",
            "tables": {"Profiles": profiles, "State": links.STATE, "Actions": links.ACTIONS},
            "parameters": links.PARAMETERS,
        }
        return await self.shell.page(request, "api.html", values)

    async def events(self, request: Request) -> Response:
        queries.only(request, [])
        if "text/event-stream" not in request.headers.get("accept", ""):
            raise InvalidRequest("These are server-sent events without an end; accept text/event-stream.")
        stream = self.live.stream(self.nodes.overview)
        return StreamingResponse(stream, media_type="text/event-stream", headers=_EVENTS)

    async def _charts(self, target: NodeAddress | None) -> dict[str, Any]:
        """The last hour of a node, or the reason why it is not told."""
        shown = target.node_id if target else self.nodes.own()
        try:
            drawn, error = charts(*await self.nodes.history(target)), None
        except MetaError as refusal:
            drawn, error = [], str(refusal)
        return {"charts": drawn, "charts_error": error, "shown": shown, "width": WIDTH, "height": HEIGHT}
