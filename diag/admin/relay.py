"""``?node=ID`` and ``?node=all``: any node answers for any other.

A question that is passed on carries little of the client's request: what it
accepts, who it is, its token and its id. Who may ask is decided here, by the
guard of the route, and the other node is told who it is with which role; see
``tunnel``. A node that does not answer within a bound is told, and holds nobody
else; where the bound is long, one that does not even say that it is alive is not
waited for.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from diag.admin import queries
from diag.admin.heartbeat import ALIVE_SECONDS, while_alive
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.roles import CALLER, Caller, Role
from diag.admin.tunnel import OF_A_PEER, vouch
from diag.errors import (
    InvalidRequest,
    MetaError,
    NotFound,
    NotInTime,
    NoTurn,
    ProfilerBusy,
    Unavailable,
)
from diag.logs.request_id import HEADER, current_request
from diag.replication import Answer, NodeAddress, OrderedLog, Peers, Question

#: The parameter's names; every route that takes it allows both.
PARAMETERS: Final = ("node", "nodes")

#: Which nodes of ``node=all`` did not deliver, and why.
MISSING_HEADER: Final = "X-Nodes-Missing"

#: Seconds within which a node says what it has at hand.
SOON: Final = 3.0

#: The same where several nodes are asked at once, and one that is stuck must not hold up the rest.
AT_HAND: Final = 0.9

# What tells that a node is alive, whatever the answer's status is.
_ALIVE = "/livez"
# Seconds between two parts of a body that is passed on.
_PART_SECONDS = 30.0
_PASSED_HEADERS = ("accept", "user-agent", "authorization")
_DROPPED_HEADERS = {"connection", "transfer-encoding", "date", "server", "keep-alive"}
_MOST_TEXT = 2000
# What a node may say of how long to wait: another's word is not to be trusted to be a number.
_SECONDS: Final = re.compile(r"[0-9]{1,9}")

T = TypeVar("T")


class Everyone(Enum):
    """``node=all``."""

    ALL = "all"


class Heard(NamedTuple):
    """A whole answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    content: bytes


class Relay:
    """``peers`` is None on a node that has none."""

    def __init__(self, log: OrderedLog, peers: Peers | None) -> None:
        self._log = log
        self._peers = peers

    def members(self) -> dict[int, NodeAddress]:
        """All nodes by id, this one always among them."""
        status = self._log.status()
        nodes = {node.node_id: node for node in (status.node, *status.voters, *status.non_voters)}
        return dict(sorted(nodes.items()))

    def own(self) -> int:
        return self._log.status().node.node_id

    def target(self, request: Request, params: dict[str, str]) -> NodeAddress | Everyone | None:
        """Whom the request is for, None for this node; takes the parameter out of ``params``.

        InvalidRequest for what names no node, NotFound for one that is no member.
        """
        given = [params.pop(name) for name in PARAMETERS if name in params]
        if not given:
            return None
        if len(given) > 1:
            raise InvalidRequest("node and nodes are one parameter; give one of them.")
        if given[0] == Everyone.ALL.value:
            _require_a_client(request)
            return Everyone.ALL
        return self.member(request, given[0])

    def member(self, request: Request, given: str) -> NodeAddress | None:
        """The member of this id, None for this node; errors as of ``target``."""
        _require_a_client(request)
        if not (given.isascii() and given.isdecimal()):
            raise InvalidRequest(f"node is {given!r}; it must be the id of a node, or all.")
        members = self.members()
        node = members.get(queries.whole("node", given))
        if node is None:
            listed = ", ".join(map(str, members))
            raise NotFound(f"There is no node {given} in this cluster; its members are {listed}.")
        return None if node.node_id == self.own() else node

    def one(self, request: Request, params: dict[str, str]) -> NodeAddress | None:
        """As ``target``, for a question that one node alone can answer: InvalidRequest for ``node=all``."""
        target = self.target(request, params)
        if isinstance(target, Everyone):
            raise InvalidRequest("node=all is not for this; name one node, or leave node out.")
        return target

    async def pass_on(self, request: Request, node: NodeAddress, within: float) -> Response:
        """That node's answer to ``request``, as it comes; the client going away cancels the work there.

        ``within`` bounds in seconds how long its head may take. Unavailable or NotInTime without one.
        """
        answering = self.ask(node, question_of(request), within)
        answer = await while_present(request, answering)
        return Response(status_code=CLIENT_GONE) if answer is None else _Passed(node, answer)

    async def ask(self, node: NodeAddress, question: Question, within: float) -> Answer:
        """The answer's head within ``within`` seconds, whatever its status is."""
        return await self._bounded(node, self._asked(node, question), within)

    async def hear(self, node: NodeAddress, question: Question, within: float) -> Heard:
        """The whole answer within ``within`` seconds.

        One that is an error is raised: what is not there as NotFound, a profiler that is taken as
        ProfilerBusy, a node without a turn as NoTurn, what took it too long as NotInTime, the rest as
        Unavailable.
        """
        # What answers HEAD has no body to hear.
        return await self._bounded(node, self._heard(node, question._replace(method="GET")), within)

    async def _bounded(self, node: NodeAddress, work: Coroutine[Any, Any, T], within: float) -> T:
        """The outcome of ``work``. NotInTime when it is late, or when the node falls silent meanwhile."""
        if within > ALIVE_SECONDS:
            work = while_alive(work, lambda seconds: self._hear_life(node, seconds))
        try:
            async with asyncio.timeout(within):
                return await work
        except TimeoutError:
            raise _late(node, within) from None

    async def _hear_life(self, node: NodeAddress, within: float) -> None:
        answer = await self.ask(node, question_of_node(self.own(), _ALIVE), within)
        await _closed(answer.body)

    async def _asked(self, node: NodeAddress, question: Question) -> Answer:
        if self._peers is None:
            raise Unavailable(f"Node {node.node_id} cannot be reached: this node has no way to its peers.")
        return await self._peers.ask(node.node_id, question)

    async def _heard(self, node: NodeAddress, question: Question) -> Heard:
        answer = await self._asked(node, question)
        try:
            content = b"".join([part async for part in answer.body])
        finally:
            await _closed(answer.body)
        if answer.status >= 400:
            raise _refusal(answer, _sentence(content) or f"HTTP status {answer.status}")
        return Heard(answer.status, dict(answer.headers), content)

    async def everyone(
        self, here: Callable[[], Awaitable[T]], there: Callable[[NodeAddress], Awaitable[T]]
    ) -> list[tuple[NodeAddress, T | MetaError]]:
        """What each node gives, or why it gives nothing, all asked at the same time; in the order of ids."""
        own = self.own()

        async def one(node: NodeAddress) -> T | MetaError:
            try:
                return await (here() if node.node_id == own else there(node))
            except MetaError as error:
                return error

        nodes = list(self.members().values())
        results = await asyncio.gather(*(one(node) for node in nodes))
        return list(zip(nodes, results, strict=True))


def _require_a_client(request: Request) -> None:
    if request.scope.get(OF_A_PEER):
        raise InvalidRequest("A question of another node is not passed on; ask without node.")


def question_of(request: Request, **changes: str) -> Question:
    """The request as another node is asked it: without ``node``, and with ``changes`` of its parameters."""
    left_out = {*PARAMETERS, *changes}
    params = [pair for pair in request.query_params.multi_items() if pair[0] not in left_out]
    query = urlencode([*params, *changes.items()])
    headers = {name: request.headers[name] for name in _PASSED_HEADERS if name in request.headers}
    caller = request.scope.get(CALLER)
    if caller is not None:
        headers |= vouch(caller)
    path = quote(request.url.path) + (f"?{query}" if query else "")
    return Question(request.method, path, headers | _id())


def question_of_node(node_id: int, path: str) -> Question:
    """What node ``node_id`` asks of its own accord: to read, and no more."""
    return Question("GET", path, vouch(Caller(f"node {node_id}", Role.READ, "member")) | _id())


def _id() -> dict[str, str]:
    own = current_request()
    return {} if own is None else {HEADER: own}


def missing_headers(missing: Sequence[tuple[NodeAddress, MetaError]]) -> dict[str, str]:
    """``X-Nodes-Missing``, when there are any."""
    text = " ".join(f"{node.node_id}: {error}" for node, error in missing)
    return {MISSING_HEADER: plain(text)} if text else {}


def plain(text: str) -> str:
    """``text`` as a header may hold it: one line of printable ASCII, not too long."""
    line = "".join(char if " " <= char <= "~" else "?" for char in " ".join(text.split()))
    return line if len(line) <= _MOST_TEXT else line[: _MOST_TEXT - 3] + "..."


class _Passed(StreamingResponse):
    """Another node's answer; its body is closed however this ends, even before it began."""

    def __init__(self, node: NodeAddress, answer: Answer) -> None:
        headers = {name: value for name, value in answer.headers.items() if name not in _DROPPED_HEADERS}
        super().__init__(_parts(node, answer.body), status_code=answer.status, headers=headers)
        self.headers["X-Meta-Node"] = str(node.node_id)
        self._body = answer.body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await _closed(self._body)


async def _parts(node: NodeAddress, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(_PART_SECONDS):
                part = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _late(node, _PART_SECONDS) from None
        yield part


async def _closed(body: AsyncIterator[bytes]) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()


def _refusal(answer: Answer, sentence: str) -> MetaError:
    after = _SECONDS.fullmatch(answer.headers.get("retry-after", ""))
    if answer.status == ProfilerBusy.http_status and after is not None:
        return ProfilerBusy(sentence, float(after[0]))
    if answer.status == NoTurn.http_status and after is not None:
        return NoTurn(sentence, float(after[0]))
    if answer.status == NotInTime.http_status:
        return NotInTime(sentence)
    return NotFound(sentence) if answer.status == NotFound.http_status else Unavailable(sentence)


def _late(node: NodeAddress, seconds: float) -> NotInTime:
    return NotInTime(f"Node {node.node_id} has not answered within {seconds:g} s; is it stopped or cut off?")


def _sentence(content: bytes) -> str:
    return " ".join(content.decode("utf-8", "replace").split())[:_MOST_TEXT]
