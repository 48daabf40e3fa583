"""How far the other nodes are, asked once a second by the leader's node."""

import asyncio
from collections.abc import Callable, Mapping

from diag.errors import MetaError
from diag.replication import LogId
from diag.replication.peers import GrpcPeers

_EVERY = 1.0


class Progress:
    """The last applied entry of each other node, as it last told; ``leads`` says whether to ask."""

    def __init__(self, peers: GrpcPeers, this: int, leads: Callable[[], bool]) -> None:
        self._peers = peers
        self._this = this
        self._leads = leads
        self._positions: dict[int, LogId] = {}

    def positions(self) -> Mapping[int, LogId]:
        """By node id; a node that never answered is not there."""
        return self._positions

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            if self._leads():
                peers = self._peers.others(self._this)
                views = await asyncio.gather(*(peer.status() for peer in peers), return_exceptions=True)
                told = [view for view in views if not isinstance(view, BaseException)]
                for view in views:
                    if isinstance(view, BaseException) and not isinstance(view, MetaError):
                        raise view
                self._positions |= {view.node_id: view.last_applied for view in told}
            await asyncio.sleep(_EVERY)
