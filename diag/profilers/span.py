"""From when to when a profile is taken: for its seconds, or around one operation."""

import asyncio
import threading


class Span:
    """A profile of so many seconds; what an operation adds is in ``OperationSpan``. Thread-safe."""

    #: Seconds between two looks at whether it is over.
    watch: float = 0.1

    def begin(self) -> None:
        """The engine samples from now on."""

    def over(self) -> bool:
        """Whether the profile has seen enough before its seconds are up."""
        return False


class OperationSpan(Span):
    """A profile that an operation waits for and that ends with it. Made on the event loop."""

    watch = 0.01

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._over = threading.Event()

    def begin(self) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)

    def over(self) -> bool:
        return self._over.is_set()

    def finish(self) -> None:
        """The operation is done."""
        self._over.set()
