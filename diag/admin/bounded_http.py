"""uvicorn's HTTP protocol with bounds on what a client may hold up: time for a head, a body, and connections.

uvicorn waits for ever for a request's head once its first byte came, and for a body; some hundreds of
clients that send a byte now and then would leave no room for anybody else.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from diag.open_connections import OpenConnections, Place

#: Key of the state that comes with each request: the client's certificate as ``ssl`` tells it, or None.
CERTIFICATE: Final = "metadiag.certificate"


@dataclass(frozen=True)
class Limits:
    """Seconds for a whole head, between two parts of a body, and for all of it; connections in all, and of
    one address, which leaves room for those of others.

    Idle connections that were served are uvicorn's to end.
    """

    head_seconds: float = 10.0
    part_seconds: float = 20.0
    body_seconds: float = 300.0
    connections: int = 1024
    of_an_address: int = 128
    #: How long what was said last may take to be read.
    farewell_seconds: float = 2.0


def bounded(limits: Limits, known: OpenConnections) -> type[asyncio.Protocol]:
    """The protocol for one server with these connections."""
    return type("BoundedHttp", (_BoundedHttp,), {"limits": limits, "known": known})


class _BoundedHttp(H11Protocol):
    limits: ClassVar[Limits]
    known: ClassVar[OpenConnections]

    def __init__(self, *args: Any, place: Place | None = None, **kwargs: Any) -> None:
        """``place`` is the connection's where whoever accepted it entered it."""
        super().__init__(*args, **kwargs)
        self._place = place
        self._timer: asyncio.TimerHandle | None = None
        self._phase: str | None = None
        self._body_until = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # What lifespan state is for a server, this is for a connection: it comes with each request of it.
        self.app_state = {**self.app_state, CERTIFICATE: transport.get_extra_info("peercert")}
        if self._place is None:
            self._place = self.known.enter(self.client[0] if self.client else "")
        if self._place.granted:
            self._watch()
        else:
            self._dismiss(b"503 Service Unavailable")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._place is not None:
            self._place.leave()
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _awaited(self) -> str | None:
        """What the client owes: a head, a body, or nothing."""
        if self.transport.is_closing():
            return None
        if self.cycle is None or self.cycle.response_complete:
            return "head" if self.timeout_keep_alive_task is None else None
        return "body" if self.cycle.more_body else None

    def _watch(self) -> None:
        """Set the timer for what is awaited now; a head's runs on, whatever part of it comes."""
        before, self._phase = self._phase, self._awaited()
        if self._phase == "head" == before:
            return
        self._stop_timer()
        if self._phase == "head":
            self._timer = self.loop.call_later(self.limits.head_seconds, self._late)
        elif self._phase == "body":
            now = self.loop.time()
            if before != "body":
                self._body_until = now + self.limits.body_seconds
            self._timer = self.loop.call_at(min(now + self.limits.part_seconds, self._body_until), self._late)

    def _late(self) -> None:
        is_answered = self.cycle is not None and self._phase == "body" and self.cycle.response_started
        self._dismiss(None if is_answered else b"408 Request Timeout")

    def _dismiss(self, status: bytes | None) -> None:
        """Say why, in a word, and hang up."""
        if status is not None:
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        self.transport.close()
        self._stop_timer()
        self._timer = self.loop.call_later(self.limits.farewell_seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
