"""What the state machine holds: records, and the changes that writes make to them."""

from typing import NamedTuple

MAX_KEY_BYTES = 4096

#: An ``expire_at`` above this counts milliseconds, otherwise seconds (wire protocol, 3.3).
MILLISECONDS_ABOVE = 100_000_000_000


class Record(NamedTuple):
    """One version of a key. ``seq`` is never 0; ``expire_at`` keeps the unit it was sent in."""

    seq: int
    data: bytes
    expire_at: int | None = None
    proposed_at_ms: int | None = None


class Change(NamedTuple):
    """One key's change by one applied command; ``current`` is None for a delete."""

    key: str
    prev: Record | None
    current: Record | None


def expiry_ms(expire_at: int) -> int:
    """The moment of expiry in ms, whichever unit it was sent in."""
    return expire_at if expire_at > MILLISECONDS_ABOVE else expire_at * 1000
