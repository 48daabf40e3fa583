"""What a node sends to and hears from each other node, counted by whoever carries it."""

from collections import Counter
from dataclasses import dataclass, field

#: A peer as labels: its id, and its address.
Peer = tuple[str, str]


@dataclass
class PeerTraffic:
    """Counts since start, by the id of the peer. Bytes are those of encoded messages.

    ``active`` is 1 for a peer with a connection that works, 0 for one without; ``failed_connects`` are
    counted by id and address.
    """

    sent_bytes: Counter[str] = field(default_factory=Counter)
    recv_bytes: Counter[str] = field(default_factory=Counter)
    sent_failures: Counter[str] = field(default_factory=Counter)
    failed_connects: Counter[Peer] = field(default_factory=Counter)
    active: dict[Peer, int] = field(default_factory=dict)

    def sent(self, peer_id: int, size: int) -> None:
        """One message of ``size`` bytes went out."""
        self.sent_bytes[str(peer_id)] += size

    def received(self, peer_id: int, size: int) -> None:
        """One message of ``size`` bytes came in."""
        self.recv_bytes[str(peer_id)] += size

    def failed(self, peer_id: int) -> None:
        """A message was not delivered."""
        self.sent_failures[str(peer_id)] += 1

    def connected(self, peer_id: int, address: str, *, works: bool) -> None:
        """A connection was made, or was not."""
        peer = (str(peer_id), address)
        self.active[peer] = int(works)
        self.failed_connects[peer] += not works

    def forget(self, peer_id: int) -> None:
        """A node that is no member has no connection; what was counted stays."""
        for peer in [peer for peer in self.active if peer[0] == str(peer_id)]:
            del self.active[peer]
