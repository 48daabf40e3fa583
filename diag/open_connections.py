"""The connections of one server, counted by address from the moment they are accepted."""

from collections import Counter


class OpenConnections:
    """``most`` there may be, and ``of_an_address``, which leaves room for those of others."""

    def __init__(self, most: int, of_an_address: int) -> None:
        self._most = most
        self._of_an_address = of_an_address
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> "Place":
        """Count one more, within the bounds or not. What entered has to leave."""
        self._by_address[address] += 1
        within = self._by_address.total() <= self._most and self._by_address[address] <= self._of_an_address
        return Place(self._by_address, address, within)


class Place:
    """One connection's; ``granted`` when it was within the bounds.

    It remembers whose it is: a connection that was reset can no longer say from where it came.
    """

    def __init__(self, by_address: Counter[str], address: str, granted: bool) -> None:
        self.granted = granted
        self._by_address = by_address
        self._address = address
        self._left = False

    def leave(self) -> None:
        """Count one less; once, however many say that the connection is over."""
        if self._left:
            return
        self._left = True
        self._by_address[self._address] -= 1
        if not self._by_address[self._address]:
            del self._by_address[self._address]
