"""Another node's question, put to this node's own admin app inside the process.

The service between the nodes carries a ``Question`` here. Its connection is
closed to all but members of the cluster, so what a question says of itself
comes from a member; what the member's client sent never becomes part of it
unseen. A question has no client address, so the guard takes it for local in no
case: it needs a token of this node, or the asking node's word (``VOUCH``) on
whom its own guard let pass, with which role. Each answer's body comes as the
app makes it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from diag.admin.roles import CALLER, Caller, Role
from diag.errors import Unavailable
from diag.replication import Answer, Question

#: The header by which a node says whom its own guard let pass: role and name. Only ``Tunnel`` reads it.
VOUCH = "metadiag-vouched"

#: Set in the scope of every question: it is answered here and passed on to nobody.
OF_A_PEER = "metadiag.of_a_peer"

# Parts of an answer that wait for a reader; then the app waits too.
_PARTS_AHEAD = 4


class Tunnel:
    """Answers with ``app``. Cancelling a call, or closing its body, cancels the work.

    With ``of_a_peer`` false the node asks itself, and its question may be passed on.
    """

    def __init__(self, app: ASGIApp, *, of_a_peer: bool = True) -> None:
        self._app = app
        self._of_a_peer = of_a_peer
        self._running: set[_Exchange] = set()

    async def __call__(self, question: Question) -> Answer:
        """The answer, as soon as its head is there. Unavailable when the app ends without one."""
        exchange = _Exchange(self._app, {**_scope(question), OF_A_PEER: self._of_a_peer})
        self._running.add(exchange)
        exchange.when_ended(lambda: self._running.discard(exchange))
        try:
            status, headers = await exchange.head()
        except BaseException:
            await exchange.aclose()
            raise
        return Answer(status, headers, exchange)

    async def close(self) -> None:
        """End what still runs."""
        await asyncio.gather(*(exchange.aclose() for exchange in list(self._running)))


class _Exchange(AsyncIterator[bytes]):
    """One request: the task that serves it, and its body."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._gone = asyncio.Event()
        self._asked = False
        self._complete = False
        self._output: asyncio.Queue[Message] = asyncio.Queue(_PARTS_AHEAD)
        self._task: asyncio.Future[None] = asyncio.ensure_future(app(scope, self._receive, self._output.put))
        # The app has told its failure in the answer, and logs it.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def when_ended(self, call: Any) -> None:
        self._task.add_done_callback(lambda _: call())

    async def head(self) -> tuple[int, Mapping[str, str]]:
        message = await self._next()
        return message["status"], _headers(message)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._complete:
            message = await self._next()
            self._complete = not message.get("more_body", False)
            if message.get("body"):
                return bytes(message["body"])
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """The client is gone: the app hears it, and is cancelled."""
        self._gone.set()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _next(self) -> Message:
        getting = asyncio.ensure_future(self._output.get())
        either: list[asyncio.Future[Any]] = [getting, self._task]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        if self._output.empty():
            raise Unavailable("The node broke off its answer; its log says why.")
        return self._output.get_nowait()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}


def _scope(question: Question) -> Scope:
    path, _, query = question.path.partition("?")
    headers = {name.lower(): value for name, value in question.headers.items()}
    caller = _vouched(headers.pop(VOUCH, ""))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": question.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in headers.items()
        ],
        "client": None,
        "server": None,
        **({} if caller is None else {CALLER: caller}),
    }


def vouch(caller: Caller) -> dict[str, str]:
    """The header that tells of ``caller`` to another node."""
    return {} if caller.role is None else {VOUCH: f"{caller.role.word} {caller.name}"}


def _vouched(text: str) -> Caller | None:
    word, _, name = text.partition(" ")
    role = Role.of(word)
    return None if role is None or not name else Caller(name, role, "member")


def _headers(message: Message) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
