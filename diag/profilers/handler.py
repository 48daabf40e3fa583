"""Work that a signal does in the main thread, between two bytecodes of whatever runs there."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType


class Handler:
    """A signal of this process, handled by ``work`` until closed; ``work`` never runs within itself.

    ``seconds`` is how long the main thread has stood still for it.
    """

    def __init__(self, signum: signal.Signals, work: Callable[[FrameType], None]) -> None:
        self._signum = signum
        self._work = work
        self._within = False
        self._again = False
        self.seconds = 0.0
        self._previous = signal.signal(signum, self._on_signal)
        signal.siginterrupt(signum, False)

    def close(self) -> None:
        """The signal means what it did before."""
        # Ignoring discards a signal that is still on its way; its default action would end the process.
        signal.signal(self._signum, signal.SIG_IGN)
        signal.signal(self._signum, self._previous)

    def _on_signal(self, _signum: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code is Handler._on_signal.__code__:
            frame = frame.f_back  # it came between the last of this function's work and its end
        self._again = True
        # Whatever arrives before ``_within`` is taken back is found by the loop, and later it is not within.
        while self._again and not self._within:
            self._within = True
            self._again = False
            began = time.perf_counter()
            # From here an error would go to whoever was interrupted; a look that failed is one less.
            with suppress(Exception):
                if frame is not None:
                    self._work(frame)
            self.seconds += time.perf_counter() - began
            self._within = False
