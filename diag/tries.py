"""Failed tries of credentials, slowed down by the address they come from.

The first few cost nothing. Each further one doubles the wait before the next is looked at; meanwhile
even the right one is refused from there, or the wait would hold up nobody. The same wrong token again
is no new try: a scraper with last month's token must not lock out its whole machine.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from diag.errors import TooManyTries

#: Tries that are free.
FREE: Final = 5
#: Longest wait in seconds, and how long after its last failure an address is forgotten.
LONGEST: Final = 60.0
FORGOTTEN: Final = 900.0
#: Addresses remembered; who failed longest ago goes first.
MOST: Final = 4096


@dataclass
class _Record:
    failures: int
    last: float
    until: float
    seen: bytes


class Tries:
    """By address; an IPv6 host has a whole /64 to try from, so that counts as one. ``of`` are their name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, of: str = "tokens") -> None:
        self._clock = clock
        self._of = of
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def require_none_pending(self, host: str | None) -> None:
        """TooManyTries while what comes from ``host`` is not looked at."""
        record = self._records.get(_place(host))
        if record is None:
            return
        wait = record.until - self._clock()
        if wait > 0:
            raise TooManyTries(
                f"Too many wrong {self._of} came from {host or 'this socket'}; the next is looked at in "
                f"{wait:.0f} s.",
                wait,
            )

    def failed(self, host: str | None, given: str) -> None:
        """Count a wrong ``given``."""
        now, place = self._clock(), _place(host)
        seen = sha256(given.encode("utf-8", "surrogatepass")).digest()
        record = self._records.pop(place, None)
        if record is None or now - record.last > FORGOTTEN:
            record = _Record(0, now, 0, b"")
        if seen != record.seen:
            record.failures += 1
            beyond = record.failures - FREE
            record.until = now + min(LONGEST, 2.0 ** min(beyond, 16)) if beyond >= 0 else 0.0
        record.seen, record.last = seen, now
        self._records[place] = record
        while len(self._records) > MOST:
            self._records.popitem(last=False)


def _place(host: str | None) -> str:
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return host or ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)
