"""Lost answers on purpose: a TCP proxy before a member that cuts connections just as an answer comes back.

What was asked has then reached the member and most likely taken effect, and whoever asked does not hear of
it: it must ask again, and the second time must not count. The proxy knows nothing of what it carries, so
it can stand before any port or socket. It runs in a thread of its own.

A node reaches its etcd member by a socket file that both know. ``etcd_behind`` starts the member one socket
further, so that the proxy can have the file's place; the node sees no difference.
"""

import asyncio
import contextlib
import random
import shlex
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Self

_BYTES = 1 << 16


class LostAnswers:
    """Forwards to ``target`` (host:port, or the path of a socket) inside ``with``; ``lose`` begins to cut.

    What it forwards comes in at 127.0.0.1:``port``, or at the socket ``at`` when one is given.
    """

    def __init__(self, target: str | Path, seed: int = 0, *, at: Path | None = None) -> None:
        self._target = target
        self._at = at
        self._random = random.Random(seed)
        self._share = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lost answers", daemon=True)
        self.port = 0
        self.lost = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lose(self, share: float) -> None:
        """Cut at this share of the pieces that come back, 0 to stop; ``lost`` counts the cuts."""
        self._share = share

    async def _listen(self) -> asyncio.Server:
        if self._at is not None:
            self._at.parent.mkdir(parents=True, exist_ok=True)
            return await asyncio.start_unix_server(self._accept, self._at)
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            member, to_member = await self._connect()
        except OSError:
            to_client.close()
            return
        finally:
            self._tasks.discard(task)
        asks = self._spawn(_forward(client, to_member))
        answers = self._spawn(self._answer(member, to_client))
        await asyncio.wait((asks, answers), return_when=asyncio.FIRST_COMPLETED)
        for task in (asks, answers):
            task.cancel()
        # Aborted, so that no answer is still on its way.
        to_client.transport.abort()
        to_member.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        host, _, port = self._target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _answer(self, member: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await member.read(_BYTES):
                if self._random.random() < self._share:
                    self.lost += 1
                    return
                to_client.write(data)
                await to_client.drain()

    def _spawn(self, work: Coroutine[object, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end(self) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_BYTES):
            target.write(data)
            await target.drain()


#: The socket of a member in its directory as its node knows it, and where ``etcd_behind`` has it serve.
KNOWN_SOCKET, SOCKET_BEHIND = "client.sock", "behind.sock"


def etcd_behind(etcd: Path, script: Path) -> Path:
    """Write a program that runs ``etcd`` one socket further; ``script`` is its path, and returned."""
    listen = "--listen-client-urls="
    script.write_text(
        "#!/bin/sh\n"
        "for each; do\n"
        "  shift\n"
        f'  case $each in {listen}*{KNOWN_SOCKET}) each="${{each%{KNOWN_SOCKET}}}{SOCKET_BEHIND}";; esac\n'
        '  set -- "$@" "$each"\n'
        "done\n"
        f'exec {shlex.quote(str(etcd))} "$@"\n'
    )
    script.chmod(0o755)
    return script
