"""One profile at a time, and a refusal that says who is in the way and for how long.

Two tools that use a profile hook at once do worse than disturb each other: memray entered while cProfile is
active cannot be used again in that process.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from diag.errors import ProfilerBusy


@dataclass(frozen=True, slots=True)
class Holder:
    """Who profiles now, and for about how many seconds more; one that is ending was cancelled."""

    name: str
    remaining: float
    is_ending: bool = False


class ProfileLock:
    """A lock that never waits. Make one for the process and hand it to whoever profiles. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: tuple[str, float, Callable[[], bool]] | None = None

    @contextmanager
    def hold(
        self, holder: str, seconds: float, is_ending: Callable[[], bool] = lambda: False
    ) -> Iterator[None]:
        """Hold the lock as ``holder`` for about ``seconds``. Raises ProfilerBusy when it is held.

        ``is_ending`` tells whether the profile was cancelled and only cleans up.
        """
        with self._guard:
            other = self._current()
            if other is not None:
                raise _busy(other)
            self._held = (holder, time.monotonic() + seconds, is_ending)
        try:
            yield
        finally:
            with self._guard:
                self._held = None

    def holder(self) -> Holder | None:
        """Who holds the lock, or None."""
        with self._guard:
            return self._current()

    def _current(self) -> Holder | None:
        if self._held is None:
            return None
        name, end, is_ending = self._held
        if is_ending():
            return Holder(name, 0.0, is_ending=True)
        return Holder(name, max(0.0, end - time.monotonic()))


def _busy(other: Holder) -> ProfilerBusy:
    if other.is_ending:
        return ProfilerBusy(
            f"One profile runs at a time, and a {other.name} was cancelled and is being ended. "
            "Try again in a second.",
            retry_after=1.0,
        )
    return ProfilerBusy(
        f"One profile runs at a time, and a {other.name} is running for about "
        f"{other.remaining:.1f} s more. Try again after that.",
        retry_after=max(1.0, other.remaining),
    )
