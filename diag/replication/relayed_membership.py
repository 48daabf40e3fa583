"""Changes of members asked of any node: a learner's etcd takes none, so a voter's node is asked for it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from diag.errors import Unavailable
from diag.replication import Joined, Joining, Membership
from diag.replication.peer_client import PeerClient
from diag.replication.view import View

Result = TypeVar("Result")


class RelayedMembership:
    """``Membership`` by ``own``; while this node is a learner by the first of ``voters`` that answers."""

    def __init__(self, own: Membership, view: View, voters: Callable[[], Sequence[PeerClient]]) -> None:
        self._own = own
        self._view = view
        self._voters = voters

    async def join(self, node: Joining) -> Joined:
        """See ``Membership``."""
        if self._learning:
            return await self._ask(lambda voter: voter.join(node))
        return await self._own.join(node)

    async def promote(self, node_id: int) -> None:
        """See ``Membership``."""
        if self._learning:
            return await self._ask(lambda voter: voter.promote(node_id))
        return await self._own.promote(node_id)

    async def remove(self, node_id: int) -> None:
        """See ``Membership``."""
        if self._learning:
            return await self._ask(lambda voter: voter.leave(node_id))
        return await self._own.remove(node_id)

    @property
    def _learning(self) -> bool:
        return self._view.seen.state == "Learner"

    async def _ask(self, change: Callable[[PeerClient], Awaitable[Result]]) -> Result:
        failure = Unavailable("This node is a learner, and knows of no voter to ask; ask one.")
        for voter in self._voters():
            try:
                return await change(voter)
            except Unavailable as unavailable:
                failure = unavailable
        raise failure
