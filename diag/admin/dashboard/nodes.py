"""What the dashboard asks the nodes of the cluster, this one among them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from diag.admin.dashboard.cluster import Overview, overview, require_vitals
from diag.admin.relay import AT_HAND, Relay, question_of_node
from diag.admin.vitals import Vitals, points_of
from diag.errors import Unavailable
from diag.metrics.history import History, Point
from diag.replication import NodeAddress

_VITALS: Final = "/debug/vitals"
_HISTORY: Final = "/debug/history"


class Nodes:
    """They are asked in this node's own name, once for all pages that are open: to read, and no more."""

    def __init__(self, relay: Relay, vitals: Vitals, history: History) -> None:
        self._relay = relay
        self._vitals = vitals
        self._history = history

    def own(self) -> int:
        return self._relay.own()

    def members(self) -> Sequence[NodeAddress]:
        """In the order of ids."""
        return list(self._relay.members().values())

    async def overview(self, within: float = AT_HAND) -> Overview:
        """All nodes as they are now; one that does not answer ``within`` seconds has a row that says so."""

        async def here() -> Mapping[str, Any]:
            return self._vitals()

        async def there(node: NodeAddress) -> Mapping[str, Any]:
            heard = await self._relay.hear(node, question_of_node(self.own(), _VITALS), within)
            return require_vitals(_parsed(heard.content))

        told = await self._relay.everyone(here, there)
        return overview(told, self.own(), in_haste=within < AT_HAND)

    async def history(self, node: NodeAddress | None) -> tuple[Sequence[Point], float]:
        """The last hour of a node, None for this one, and the seconds of a step."""
        if node is None:
            return self._history.points(), self._history.step
        heard = await self._relay.hear(node, question_of_node(self.own(), _HISTORY), AT_HAND)
        try:
            return points_of(_parsed(heard.content))
        except ValueError as error:
            raise Unavailable(f"The history of node {node.node_id} cannot be read: {error}.") from None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise Unavailable("Its answer is no JSON.") from None
