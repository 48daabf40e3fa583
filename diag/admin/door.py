"""Where other nodes' questions come in: closed until this node's admin app is there."""

from diag.admin.tunnel import Tunnel
from diag.errors import Unavailable
from diag.replication import Answer, Question


class Door:
    """The admin API as other nodes reach it: the service between nodes listens before there is an app."""

    def __init__(self) -> None:
        self._tunnel: Tunnel | None = None

    def open(self, tunnel: Tunnel) -> None:
        """Answer from now on."""
        self._tunnel = tunnel

    async def __call__(self, question: Question) -> Answer:
        """The app's answer; Unavailable while this node starts."""
        if self._tunnel is None:
            raise Unavailable("this node is starting; ask it again.")
        return await self._tunnel(question)
