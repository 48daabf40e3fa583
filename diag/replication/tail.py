"""Following the log, one entry after the other.

A watch is a notification, not a log: it may lose, repeat or reorder. So every entry's version must be the
last one's plus one; what is older is dropped, and at a gap the watch is opened again, at another source.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing

from diag.errors import Unavailable
from diag.replication.source import Entry, LogSource
from diag.replication.sources import Sources

#: Entries read ahead of what is applied.
_AHEAD = 512
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

_log = logging.getLogger(__name__)


class Gap(Unavailable):
    """An entry is missing in what a source told."""


class Tail:
    """Reads entries after ``version`` at ``revision`` into a queue, for ever; ``take`` has them in order."""

    def __init__(self, sources: Sources, version: int, revision: int) -> None:
        self._sources = sources
        self._version = version
        self._revision = revision
        self._entries: asyncio.Queue[Sequence[Entry]] = asyncio.Queue(_AHEAD)
        self._following: asyncio.Task[None] | None = None

    @property
    def version(self) -> int:
        """The newest entry read."""
        return self._version

    async def take(self) -> list[Entry]:
        """What was read since the last call, at least one entry."""
        taken = list(await self._entries.get())
        while not self._entries.empty():
            taken += self._entries.get_nowait()
        return taken

    async def run(self) -> None:
        """Read until cancelled. Raises Compacted when the log no longer goes back far enough."""
        pause = _FIRST_PAUSE
        while True:
            before = self._version
            try:
                source = self._sources.current
                await self._watch(source)
            except Unavailable as failure:
                _log.warning("The log is read again after entry %d: %s", self._version, failure)
                pause = _FIRST_PAUSE if self._version > before else min(2 * pause, _LONGEST_PAUSE)
                await asyncio.sleep(pause)

    def miss(self, *, version: int = 0, revision: int = 0) -> None:
        """The log is known to be that far and it did not come: unless it is read already, watch elsewhere."""
        behind = self._version < version or self._revision < revision
        if behind and self._following is not None and not self._entries.full():
            self._following.cancel()

    async def _watch(self, source: LogSource) -> None:
        self._following = following = asyncio.create_task(self._follow(source), name="log-watch")
        try:
            await asyncio.wait([following])
        finally:
            self._following = None
            if not following.done():
                following.cancel()
                await asyncio.wait([following])
        if following.cancelled():
            self._sources.leave(source)
            raise Unavailable(f"nothing came from {source.name} for too long")
        try:
            following.result()
        except Unavailable:
            self._sources.leave(source)
            raise

    async def _follow(self, source: LogSource) -> None:
        async with aclosing(source.tail(self._revision + 1)) as told:  # type: ignore[type-var]
            async for entries in told:
                new = [entry for entry in entries if entry.version > self._version]
                if new:
                    self._check(new, source)
                    await self._entries.put(new)
                    self._version, self._revision = new[-1].version, new[-1].revision
        raise Unavailable(f"the watch at {source.name} ended")

    def _check(self, entries: Sequence[Entry], source: LogSource) -> None:
        for expected, entry in enumerate(entries, self._version + 1):
            if entry.version != expected:
                raise Gap(f"{source.name} told entry {entry.version} of the log in the place of {expected}")
