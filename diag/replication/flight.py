"""One record on its way: written, and written again while its fate is not known."""

import asyncio
import logging
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple

from diag.errors import MessageTooLarge, MetaError, NoSpace, Unavailable
from diag.kv.commands import Reply
from diag.replication.source import LogSource
from diag.replication.sources import Sources
from diag.replication.stages import Stages

#: Seconds a record stays without an answer before it is written again.
_RESEND = 0.1
#: Seconds from a record's commit to its coming back, after which the log is watched elsewhere.
_KICK = 1.0

_log = logging.getLogger(__name__)


class Proposal(NamedTuple):
    """A command as bytes, its caller's reply, and the loop's time at which the caller gives up."""

    command: bytes
    done: "asyncio.Future[Reply]"
    give_up_at: float


@dataclass
class Flight:
    """A record and who waits for it. ``back`` is done once it came back, or nobody is to wait any more.

    ``loaded`` and ``logged`` say by ``perf_counter`` when it was made, and known to be in the log.
    """

    number: int
    record: bytes
    proposals: list[Proposal]
    back: "asyncio.Future[None]"
    impatience: asyncio.TimerHandle | None = None
    kick: asyncio.TimerHandle | None = None
    loaded: float = field(default_factory=perf_counter)
    logged: float | None = None

    def stages(self) -> Stages:
        """What its commands passed, now that it is applied."""
        now = perf_counter()
        return (("queue", self.loaded), ("propose", self.logged or now), ("apply", now))

    def end(self) -> None:
        """Nothing more is to come of it."""
        for timer in (self.impatience, self.kick):
            if timer is not None:
                timer.cancel()
        if not self.back.done():
            self.back.set_result(None)


class Writer:
    """Writes records through the source in use. ``missed`` hears of a revision that does not come back."""

    def __init__(self, sources: Sources, missed: Callable[[int], None]) -> None:
        self._sources = sources
        self._missed = missed

    async def write(self, flight: Flight) -> None:
        """Until the record is in the log, by etcd's answer or because it is back.

        What it raises is raised before any try that may have been taken.
        """
        unknown = False
        while not flight.back.done():
            try:
                source = self._sources.current
            except Unavailable as failure:
                _log.info("Record %d waits: %s", flight.number, failure)
                await asyncio.wait([flight.back], timeout=_RESEND)
                continue
            try:
                revision = await self._send(source, flight)
            except (NoSpace, MessageTooLarge):
                if not unknown:
                    raise
                await self._elsewhere(source, flight)
            except MetaError as failure:
                unknown = True
                _log.info("Record %d is written again: %s", flight.number, failure)
                await self._elsewhere(source, flight)
            else:
                if revision is not None and not flight.back.done():
                    self._expect(flight, revision)
                flight.logged = perf_counter()
                return

    async def _send(self, source: LogSource, flight: Flight) -> int | None:
        """The record's revision; None when it came back before the answer, which is of no more interest."""
        sent = asyncio.create_task(source.append(flight.record), name="log-append")
        either: list[asyncio.Future[Any]] = [sent, flight.back]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            sent.cancel()
            raise
        finally:
            if not sent.done():
                sent.add_done_callback(hear)
        if not sent.done():
            return None
        return sent.result()

    async def _elsewhere(self, source: LogSource, flight: Flight) -> None:
        self._sources.leave(source)
        await asyncio.wait([flight.back], timeout=_RESEND)

    def _expect(self, flight: Flight, revision: int) -> None:
        """The record is in the log, so only time separates it from being here."""
        loop = asyncio.get_running_loop()

        def late() -> None:
            self._missed(revision)
            flight.kick = loop.call_later(_KICK, late)

        flight.kick = loop.call_later(_KICK, late)


def fail(done: "asyncio.Future[Reply]", failure: MetaError) -> bool:
    """Tell a caller who still waits; each is told in an error of its own, which gathers its own traceback."""
    if done.done():
        return False
    done.set_exception(copy(failure))
    return True


def hear(answer: "asyncio.Future[Any]") -> None:
    """An answer nobody waits for must not be reported as an error never retrieved."""
    if not answer.cancelled():
        answer.exception()
