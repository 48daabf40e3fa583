"""Between the transport and the service: bytes to messages, tokens, errors to statuses, counting.

Handlers are registered without the transport's own codecs. Decoding here makes
a broken message our sentence instead of a logged traceback, and gives message
sizes to the metrics without encoding anything twice.
"""

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from time import perf_counter
from typing import Any, Literal, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from diag.errors import InvalidRequest, MessageTooLarge, MetaError, NotLeader
from diag.logs.request_id import HEADER, begin_request, current_request
from diag.metrics.registry import CallKind, Metrics
from diag.rpc.slow_calls import SlowCalls, Tell, id_of
from diag.rpc.wire import Metadata

LEADER_KEY = "x-databend-meta-leader-grpc-endpoint"

#: Clients refuse trailers beyond 8 KiB, and a message may quote what it was sent.
_MAX_DETAILS = 1000

_LOGGER = logging.getLogger(__name__)

Check: TypeAlias = Callable[[Any], None]
#: What goes with the headers of a response that is made now; empty for nothing.
Advice: TypeAlias = Callable[[], Metadata]
Request = TypeVar("Request", bound=Message)


class Context(Protocol):
    """What a handler sees of its call: the part of ``grpc.aio.ServicerContext`` that is used here."""

    def invocation_metadata(self) -> Metadata | None: ...

    def peer(self) -> str: ...

    async def send_initial_metadata(self, metadata: Metadata, /) -> None: ...

    async def write(self, message: bytes, /) -> None: ...

    async def abort(
        self, code: grpc.StatusCode, details: str = ..., trailing_metadata: Metadata = ..., /
    ) -> NoReturn: ...


class Handler(NamedTuple):
    """A method as a transport serves it: bytes in and bytes out.

    ``unary``: the request and the context in, the reply out. ``stream``: the same, but replies
    go to the context. ``exchange``: requests come as an async iterator.
    """

    kind: Literal["unary", "stream", "exchange"]
    serve: Callable[[Any, Context], Coroutine[Any, Any, Any]]


class Sink(Protocol):
    """Where a streaming method's messages go."""

    def peer(self) -> str:
        """The client's address as gRPC writes it."""

    async def open(self) -> None:
        """Send the response's headers now, before there is anything to say."""

    async def room(self) -> None:
        """Wait while the client is so far behind that a message is better not made yet."""

    async def send(self, message: Message) -> None:
        """Send one message; waits while the client is behind."""


class Dispatcher:
    """Makes the transport's handlers out of the service's methods.

    ``limit`` is the largest message a client accepts, in bytes; ``trailers`` are what goes with
    an error's status. ``slow`` hears of slow calls of the methods that are given a name.
    """

    def __init__(
        self,
        metrics: Metrics,
        limit: int,
        trailers: "Callable[[MetaError], Metadata] | None" = None,
        slow: SlowCalls | None = None,
    ) -> None:
        self._metrics = metrics
        self._limit = limit
        self._trailers = trailers or leader_trailers
        self._slow = slow

    def unary(
        self,
        request: type[Request],
        method: Callable[[Request, Context], Awaitable[Message]],
        kind: CallKind,
        check: Check | None = None,
        advice: Advice | None = None,
        name: str | None = None,
    ) -> Handler:
        """One request, one reply. ``check`` sees the call's metadata first; ``advice`` is for its reply."""
        metrics, limit, trailers, parse = self._metrics, self._limit, self._trailers, request.FromString
        slow_after, tell = self._account(name, request)

        async def call(payload: bytes, context: Context) -> bytes:
            started = perf_counter()
            metrics.request_started()
            metrics.received(len(payload))
            ok = False
            failure = None
            try:
                metadata = context.invocation_metadata()
                _adopt_id(metadata)
                if check is not None:
                    check(metadata)
                reply = (await method(parse(payload), context)).SerializeToString()
                _check_size(reply, limit)
                await _advise(context, advice)
                metrics.sent(len(reply))
                ok = True
            except Exception as error:  # noqa: BLE001  every one becomes a status
                failure = error
                await _refuse(context, error, trailers)
            finally:
                seconds = perf_counter() - started
                metrics.request_finished(kind, seconds, ok)
                if seconds >= slow_after:
                    tell(payload, current_request(), started, ok, failure)
            return reply

        return Handler("unary", call)

    def stream(
        self,
        request: type[Request],
        method: Callable[[Request, Sink], Awaitable[None]],
        kind: CallKind,
        check: Check | None = None,
        *,
        bounded: bool = True,
        advice: Advice | None = None,
        name: str | None = None,
    ) -> Handler:
        """One request, any number of replies; ``bounded`` ones are within the limit of a message."""
        metrics, parse = self._metrics, request.FromString

        def decode(payload: bytes) -> Request:
            metrics.received(len(payload))
            return parse(payload)

        limit = self._limit if bounded else None
        account = self._account(name, request)
        return Handler("stream", self._streaming(decode, method, kind, check, limit, advice, account))

    def exchange(
        self,
        request: type[Request],
        method: Callable[[AsyncIterator[Request], Sink], Awaitable[None]],
        kind: CallKind,
        check: Check | None = None,
    ) -> Handler:
        """Any number of requests and replies, in both directions at once."""
        metrics, parse = self._metrics, request.FromString

        async def decode(payloads: AsyncIterator[bytes]) -> AsyncIterator[Request]:
            async for payload in payloads:
                metrics.received(len(payload))
                yield parse(payload)

        account = self._account(None, request)  # such a call lasts as long as its client likes
        return Handler("exchange", self._streaming(decode, method, kind, check, self._limit, None, account))

    def _streaming(
        self,
        decode: Callable[[Any], Any],
        method: Callable[[Any, Sink], Awaitable[None]],
        kind: CallKind,
        check: Check | None,
        limit: int | None,
        advice: Advice | None,
        account: "tuple[float, Tell]",
    ) -> Callable[[Any, Context], Coroutine[Any, Any, None]]:
        metrics, trailers = self._metrics, self._trailers
        slow_after, tell = account

        async def call(incoming: Any, context: Context) -> None:
            started = perf_counter()
            metrics.request_started()
            ok = False
            failure = None
            try:
                metadata = context.invocation_metadata()
                _adopt_id(metadata)
                if check is not None:
                    check(metadata)
                sink = _ContextSink(context, metrics, limit, advice)
                await method(decode(incoming), sink)
                await sink.advise()
                ok = True
            except grpc.aio.InternalError:
                pass  # grpcio's word for a write to a client that is gone; there is nobody to tell
            except Exception as error:  # noqa: BLE001  every one becomes a status
                failure = error
                await _refuse(context, error, trailers)
            finally:
                seconds = perf_counter() - started
                metrics.request_finished(kind, seconds, ok)
                if seconds >= slow_after:
                    tell(incoming, current_request(), started, ok, failure)

        return call

    def _account(self, name: str | None, request: type[Message]) -> "tuple[float, Tell]":
        """From how many seconds on a call is slow, and who hears of it then."""
        if self._slow is None or name is None:
            return math.inf, _nobody
        return self._slow.threshold, partial(self._slow.tell, name, request.FromString)


class _ContextSink:
    __slots__ = ("_advice", "_context", "_limit", "_metrics", "_room")

    def __init__(self, context: Context, metrics: Metrics, limit: int | None, advice: Advice | None) -> None:
        self._context = context
        self._advice = advice
        self._metrics = metrics
        self._limit = limit
        #: gRPC's own transport cannot tell.
        self._room: Callable[[], Awaitable[None]] | None = getattr(context, "room", None)

    def peer(self) -> str:
        return self._context.peer()

    async def open(self) -> None:
        await self._context.send_initial_metadata(())

    async def room(self) -> None:
        if self._room is not None:
            await self._room()

    async def send(self, message: Message) -> None:
        data = message.SerializeToString()
        _check_size(data, self._limit)
        if self._advice is not None:
            await self.advise()
        self._metrics.sent(len(data))
        await self._context.write(data)

    async def advise(self) -> None:
        """Send the headers with the advice, once: with the first message, as clients time their arrival."""
        advice, self._advice = self._advice, None
        await _advise(self._context, advice)


async def _advise(context: Context, advice: Advice | None) -> None:
    metadata = advice() if advice is not None else ()
    if metadata:
        await context.send_initial_metadata(metadata)


def _check_size(data: bytes, limit: int | None) -> None:
    if limit is not None and len(data) > limit:
        raise MessageTooLarge(
            f"the reply is {len(data)} bytes, above the limit of {limit} bytes a message; "
            "a write it answers was made"
        )


def _nobody(payload: bytes, request_id: str | None, started: float, ok: bool, error: object) -> None:
    pass


def leader_trailers(error: MetaError) -> Metadata:
    """Where to go instead, for a client whose node does not lead."""
    return ((LEADER_KEY, error.leader),) if isinstance(error, NotLeader) and error.leader else ()


def _adopt_id(metadata: Metadata | None) -> None:
    """Log lines, profiles and the account of slow calls name a request as its client does.

    Calls are many: where none is given in the form of an id, none is made up.
    """
    given = id_of(metadata)
    if given is not None:
        begin_request(given)


async def _refuse(
    context: Context, error: Exception, trailers_of: Callable[[MetaError], Metadata]
) -> NoReturn:
    """End the call with the status the error carries; one we did not raise is INTERNAL, and logged."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, DecodeError):
        error = InvalidRequest(
            "the request is not a message of the type this method takes, or a string in it is not "
            f"UTF-8: {error}"
        )
    trailers: Metadata = ()
    if isinstance(error, MetaError):
        status, details, trailers = error.grpc_status, str(error), trailers_of(error)
    else:
        request_id = begin_request(current_request())
        _LOGGER.error("a call failed in a way nobody foresaw", exc_info=error)
        trailers = ((HEADER, request_id),)
        status, details = "INTERNAL", f"the service failed: {type(error).__name__}: {error}"
    await context.abort(grpc.StatusCode[status], details[:_MAX_DETAILS], trailers)
