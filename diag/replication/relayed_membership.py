"""Changes of members asked of any node: a learner's etcd takes none, so a voter's node is asked for it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from diag.errors import Unavailable
from diag.replication import Joined, Joining, Membership
from diag.replication.peer_client import PeerClient
from diag.replication.view import Seen, View

#: Seconds that a change made is waited for here, so that who asked for it is told of it.
_SOON = 2.0
_PAUSE = 0.05

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
            await self._ask(lambda voter: voter.promote(node_id))
        else:
            await self._own.promote(node_id)
        await self._await(lambda seen: any(node.node_id == node_id for node in seen.voters))

    async def remove(self, node_id: int) -> None:
        """See ``Membership``."""
        if self._learning:
            await self._ask(lambda voter: voter.leave(node_id))
        else:
            await self._own.remove(node_id)
        await self._await(lambda seen: all(node.node_id != node_id for node in seen.nodes))

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

    async def _await(self, done: Callable[[Seen], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SOON):
                while True:
                    await self._view.look()
                    if done(self._view.seen):
                        return
                    await asyncio.sleep(_PAUSE)
