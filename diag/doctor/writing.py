"""How long the disk takes to make a little durable: tried, a few times, and never waited for long."""

import asyncio
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from diag.doctor.facts import Writing

_BYTES: Final = bytes(4096)
_TRIES: Final = 5
#: Seconds between tries: a disk that stalls now and then must not be met at its one good moment.
_PAUSE: Final = 0.04
#: What the tries may take together, so that a slow disk is looked at in bounded time.
_BUDGET: Final = 0.6


class WritingTrial:
    """Writes below ``directory``, to files without a name. One at a time: a stuck one is not repeated."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: _Trial | None = None

    async def take(self, patience: float) -> Writing:
        """What it took, or how long it goes on, after ``patience`` seconds at most."""
        if self._running is None or not self._running.is_alive():
            self._running = _Trial(self._directory, asyncio.get_running_loop())
            self._running.start()
        trial = self._running
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(trial.outcome)
        except TimeoutError:
            return Writing(stuck=trial.current())


class _Trial(threading.Thread):
    """A daemon: what waits for a stuck disk ends with the process, and must not hold its end."""

    def __init__(self, directory: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="disk trial", daemon=True)
        self._directory = directory
        self._loop = loop
        self._began = time.monotonic()
        self.outcome: asyncio.Future[Writing] = loop.create_future()

    def current(self) -> float:
        """Seconds that the try in progress goes on."""
        return time.monotonic() - self._began

    def run(self) -> None:
        try:
            told = self._try()
        except OSError as error:
            told = Writing(failed=f"{self._directory}: {error.strerror or error}")
        try:
            self._loop.call_soon_threadsafe(self._tell, told)
        except RuntimeError:  # the loop is closed: the node has stopped meanwhile
            return

    def _tell(self, told: Writing) -> None:
        if not self.outcome.done():
            self.outcome.set_result(told)

    def _try(self) -> Writing:
        took: list[float] = []
        with tempfile.TemporaryFile(dir=self._directory) as file:
            deadline = self._began + _BUDGET
            while len(took) < _TRIES and (not took or time.monotonic() < deadline):
                self._began = time.monotonic()
                os.pwrite(file.fileno(), _BYTES, len(took) * len(_BYTES))
                os.fsync(file.fileno())
                took.append(time.monotonic() - self._began)
                time.sleep(_PAUSE)
        return Writing(tries=len(took), median=sorted(took)[len(took) // 2], longest=max(took))
