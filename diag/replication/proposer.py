"""Writing to the log: one record in flight, everything that waits meanwhile in the next.

A record without an answer may have been taken, or may be taken yet, so it is written again as it is until it
comes back from the log; its number keeps it from counting twice. More records in flight gain nothing: the
next one carries all that waited (measured: 45,000 proposals a second with one, 41,000 with four). Once etcd
has a record its place is certain, so the next one is written while this one is on its way back and applied.
"""

import asyncio
import os
from collections.abc import Callable
from itertools import takewhile
from weakref import WeakKeyDictionary

from diag.errors import Conflict, MessageTooLarge, MetaError, NoSpace, NotInTime, Unavailable
from diag.kv.commands import Reply
from diag.replication.flight import Flight, Proposal, Writer, fail, hear
from diag.replication.machine import Outcome
from diag.replication.record import Author, Enter, LogCommand, encode, encode_command
from diag.replication.sources import Sources
from diag.replication.stages import Stages

#: A record ends with the command that brings it here, so that no record holds the others for long.
_RECORD_BYTES = 1 << 20
_RECORD_COMMANDS = 2048
#: Records that are not back yet, beyond which none is written: a node that applies slowly must not run ahead.
_MOST_OUT = 2
#: What etcd is started to take, less its own envelope.
MOST_BYTES = (16 << 20) - (64 << 10)
#: Commands waiting to be written, in bytes, beyond which more are refused.
_MOST_WAITING = 64 << 20

#: What the author knows of the cluster when it writes: time in ms, term, the leader's node id.
Hints = tuple[int, int, int]


class Proposer:
    """Writes for one process of node ``node_id``. ``missed`` hears of a revision that does not come back.

    ``patience`` is how many seconds a proposal waits before its caller hears that nobody answers.
    """

    def __init__(
        self,
        node_id: int,
        sources: Sources,
        hints: Callable[[], Hints],
        missed: Callable[[int], None],
        patience: float = 10.0,
    ) -> None:
        self._node_id = node_id
        self._writer = Writer(sources, missed)
        self._hints = hints
        self._patience = patience
        self._incarnation = os.urandom(8)
        self._number = 0
        self._waiting: list[Proposal] = []
        self._waiting_bytes = 0
        self._some = asyncio.Event()
        self._landed = asyncio.Event()
        self._flights: dict[int, Flight] = {}  # by number; all but the last are in the log
        self._refused: MetaError | None = None
        self._stages: WeakKeyDictionary[asyncio.Future[Reply], Stages] = WeakKeyDictionary()
        self.failed = 0

    @property
    def pending(self) -> int:
        """Proposals whose callers wait, or whose fate is not known."""
        return len(self._waiting) + sum(len(flight.proposals) for flight in self._flights.values())

    def propose(self, command: LogCommand) -> "asyncio.Future[Reply]":
        """The reply, once the command came back from the log. MessageTooLarge, Unavailable at once."""
        if self._refused is not None:
            raise self._refused.with_traceback(None)
        encoded = encode_command(command)
        if len(encoded) > MOST_BYTES:
            raise MessageTooLarge(
                f"The command has {len(encoded):,} bytes; the cluster's log takes {MOST_BYTES:,}. Split it."
            )
        if self._waiting_bytes + len(encoded) > _MOST_WAITING:
            raise Unavailable("Too many writes wait for the cluster's log; try again later.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Reply] = loop.create_future()
        self._waiting.append(Proposal(encoded, done, loop.time() + self._patience))
        self._waiting_bytes += len(encoded)
        self._some.set()
        return done

    def stages(self, reply: "asyncio.Future[Reply]") -> Stages:
        """What the command of ``reply`` passed, once that is here."""
        return self._stages.get(reply, ())

    async def enter(self, after: bytes, *more: LogCommand) -> None:
        """Become the one process that writes for this node, after ``after``. Conflict when another did.

        ``more`` is in the same record.
        """
        loop = asyncio.get_running_loop()
        commands = [encode_command(command) for command in (Enter(after), *more)]
        give_up_at = loop.time() + self._patience
        proposals = [Proposal(command, loop.create_future(), give_up_at) for command in commands]
        for proposal in proposals:
            proposal.done.add_done_callback(hear)  # a start that is cancelled does not
        await self._fly(proposals)
        try:
            for proposal in proposals:
                await proposal.done
        except Conflict:
            self._refused, self._incarnation, self._number = None, os.urandom(8), 0
            self._some.clear()
            raise

    async def run(self) -> None:
        """Write what is proposed, until cancelled. Conflict when another process writes for this node."""
        while True:
            await self._some.wait()
            if isinstance(self._refused, Conflict):
                raise self._refused
            if len(self._flights) < _MOST_OUT:
                await self._fly(self._load())
            else:
                await self._one_less()

    def came_back(self, outcome: Outcome) -> None:
        """Hear of a record of this process; to be called in the log's order."""
        node_id, incarnation, number = outcome.author
        if (node_id, incarnation) != (self._node_id, self._incarnation):
            return
        flight = self._flights.pop(number, None)
        if flight is not None:  # else it was written twice, and came back before
            flight.end()
            self._land(flight, outcome)
            self._landed.set()

    async def finish(self, reason: MetaError, seconds: float) -> None:
        """Take nothing more, and let what was proposed be written; after ``seconds`` refuse the rest."""
        self._refused = self._refused or reason
        try:
            async with asyncio.timeout(seconds):
                while self.pending:
                    await self._one_less()
        except TimeoutError:
            pass
        self.refuse(reason)

    def refuse(self, reason: MetaError) -> None:
        """Take nothing more; who waits hears ``reason``. A record in flight is not written again."""
        self._refused = reason
        flights, self._flights = self._flights, {}
        for flight in flights.values():
            flight.end()
            self._fail(flight.proposals, reason)
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._some.clear()
        self._landed.set()
        self._fail(waiting, reason)

    async def _one_less(self) -> None:
        self._landed.clear()
        await self._landed.wait()

    def _load(self) -> list[Proposal]:
        """The next record's proposals, at least one."""
        size = count = 0
        for proposal in self._waiting[:_RECORD_COMMANDS]:
            size += len(proposal.command)
            if count and size > _RECORD_BYTES:
                size -= len(proposal.command)
                break
            count += 1
        loaded, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= size
        if not self._waiting:
            self._some.clear()
        return loaded

    async def _fly(self, proposals: list[Proposal]) -> None:
        loop = asyncio.get_running_loop()
        number = self._number + 1
        record = encode(
            Author(self._node_id, self._incarnation, number),
            *self._hints(),
            [proposal.command for proposal in proposals],
        )
        self._flights[number] = flight = Flight(number, record, proposals, loop.create_future())
        flight.impatience = loop.call_later(self._patience, self._lose_patience, flight)
        self._number = number
        try:
            await self._writer.write(flight)
        except (NoSpace, MessageTooLarge) as refusal:
            self._number = number - 1  # no record bears it
            self._flights.pop(number, None)
            flight.end()
            self._fail(proposals, refusal)
            self._landed.set()

    def _land(self, flight: Flight, outcome: Outcome) -> None:
        if not outcome.taken:
            fenced = Conflict(
                f"Another process writes for node {self._node_id}; stop one of the two, and give each node "
                "of the cluster an id of its own. This write was not made."
            )
            self._fail(flight.proposals, fenced)
            self.refuse(fenced)
            self._some.set()  # the run ends by it
            return
        stages = flight.stages()
        for proposal, result in zip(flight.proposals, outcome.results, strict=True):
            done = proposal.done
            if isinstance(result, MetaError):
                self.failed += 1
                fail(done, result)
            elif not done.done():  # else its caller was cancelled; the command is applied all the same
                self._stages[done] = stages
                done.set_result(result[0])

    def _lose_patience(self, flight: Flight) -> None:
        """Tell the callers. The record goes on: it cannot be taken back."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        flight.impatience = loop.call_later(min(1.0, self._patience), self._lose_patience, flight)
        stalled = (
            f"The cluster's log took no writes for {self._patience:g} s: is a majority of its voters up?"
        )
        for proposal in flight.proposals:
            if fail(proposal.done, NotInTime(f"{stalled} Whether this write was made is not known.")):
                self.failed += 1
        late = list(takewhile(lambda proposal: proposal.give_up_at <= now, self._waiting))
        self._waiting = self._waiting[len(late) :]
        self._waiting_bytes -= sum(len(proposal.command) for proposal in late)
        self._fail(late, NotInTime(f"{stalled} This write was not made."))
        if not self._waiting:
            self._some.clear()

    def _fail(self, proposals: list[Proposal], failure: MetaError) -> None:
        for proposal in proposals:
            if fail(proposal.done, failure):
                self.failed += 1
