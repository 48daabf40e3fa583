"""The connections of one server, counted by address from the moment they are accepted."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class OpenConnections:
    """``most`` there may be, and ``of_an_address``, which leaves room for those of others."""

    most: int
    of_an_address: int
    by_address: Counter[str] = field(default_factory=Counter)

    def enter(self, address: str) -> bool:
        """Count one more; whether that is within the bounds. What entered has to leave."""
        self.by_address[address] += 1
        return self.by_address.total() <= self.most and self.by_address[address] <= self.of_an_address

    def leave(self, address: str) -> None:
        """Count one less."""
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]
