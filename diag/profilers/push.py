"""Windows of always-on profiling sent to a Pyroscope-compatible server, by its ``POST /ingest``.

The newest are worth more than the oldest: a queue that is full loses its oldest window. A server that does
not answer is tried again less and less often; what it refuses for good is dropped. Nothing here is waited
for.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from diag.profilers.about import About
from diag.profilers.capture import Capture

_QUEUED: Final = 32
_QUEUED_BYTES: Final = 16 << 20
_ANSWER_SECONDS: Final = 10.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 300.0
_MOST_SAID: Final = 200
#: Answers that may be another one later.
_LATER: Final = (408, 425, 429)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """``url`` is the server's, without ``/ingest``; ``authorization`` the header's whole value."""

    url: str
    name: str = "metadiag"
    authorization: str | None = None
    tenant: str | None = None


@dataclass
class PushCounts:
    """Windows since the start: sent, attempts that failed, and those given up."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0


class _Item(NamedTuple):
    query: str
    folded: bytes


class _Refused(Exception):
    """The server answered, and not with success."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"it answered {status} {said}".strip())
        self.final = 400 <= status < 500 and status not in _LATER


class Pusher:
    """Used on one event loop. ``sleep`` waits between two attempts."""

    def __init__(self, target: Target, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.counts = PushCounts()
        self._target = target
        self._sleep = sleep
        self._tls = ssl.create_default_context() if target.url.startswith("https:") else None
        self._queue: deque[_Item] = deque()
        self._waiting = asyncio.Event()
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin on the running loop."""
        self._task = asyncio.create_task(self._run(), name="profile push")

    async def close(self) -> None:
        """End at once; what is queued is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.counts.dropped += len(self._queue)
        self._queue.clear()

    def offer(self, about: About, capture: Capture) -> None:
        """Queue a window that saw anything; the oldest ones go where it is too much."""
        if not capture.folded:
            return
        # Folded stacks have no labels: who was served stands as a root frame.
        self._queue.append(_Item(self._query(about), capture.labelled or capture.folded))
        while len(self._queue) > _QUEUED or sum(len(one.folded) for one in self._queue) > _QUEUED_BYTES:
            self._queue.popleft()
            self.counts.dropped += 1
        self._waiting.set()

    def _query(self, about: About) -> str:
        labels = f"node_id={about.node_id},version={about.version}"
        return urlencode(
            {
                "name": f"{self._target.name}.cpu{{{labels}}}",
                "from": int(about.when),
                "until": max(int(about.when) + 1, round(about.when + about.seconds)),
                "format": "folded",
                "sampleRate": round(about.rate_asked or 0) or 100,
                "spyName": "metadiag",
                "units": "samples",
                "aggregationType": "sum",
            }
        )

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            while not self._queue:
                self._waiting.clear()
                await self._waiting.wait()
            item = self._queue[0]
            try:
                await self._send(item)
            except Exception as error:  # noqa: BLE001 - whatever a server does, the service goes on
                self._tell(error)
                if not (isinstance(error, _Refused) and error.final):
                    await self._sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                self.counts.dropped += 1
            else:
                self.counts.sent += 1
                self._failing, pause = False, _FIRST_PAUSE
            if self._queue and self._queue[0] is item:
                self._queue.popleft()

    def _tell(self, error: Exception) -> None:
        self.counts.failed += 1
        if not self._failing:
            _log.warning("profiles cannot be pushed to %s: %s", self._target.url, _words(error))
        self._failing = True

    async def _send(self, item: _Item) -> None:
        url = urlsplit(self._target.url)
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(
                url.hostname, url.port or (443 if self._tls else 80), ssl=self._tls
            )
            try:
                writer.write(self._head(url.netloc.rpartition("@")[2], url.path, item) + item.folded)
                await writer.drain()
                await _require_success(reader)
            finally:
                writer.close()

    def _head(self, host: str, path: str, item: _Item) -> bytes:
        lines = [
            f"POST {path.rstrip('/')}/ingest?{item.query} HTTP/1.1",
            f"Host: {host}",
            "Content-Type: text/plain",
            f"Content-Length: {len(item.folded)}",
            "User-Agent: metadiag",
            "Connection: close",
        ]
        if self._target.authorization:
            lines.append(f"Authorization: {self._target.authorization}")
        if self._target.tenant:
            lines.append(f"X-Scope-OrgID: {self._target.tenant}")
        return "\r\n".join([*lines, "", ""]).encode()


async def _require_success(reader: asyncio.StreamReader) -> None:
    words = (await reader.readline()).split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise _Refused(0, "something that is no HTTP")
    status = int(words[1])
    if not 200 <= status < 300:
        reason = words[2].decode("latin-1").strip() if len(words) > 2 else ""
        raise _Refused(status, reason[:_MOST_SAID])


def _words(error: Exception) -> str:
    return (
        "it did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    )
