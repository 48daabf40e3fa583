"""A log in memory for several nodes, with a switch for each way in which a real one fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from diag.errors import Compacted, MetaError, Unavailable
from diag.replication.source import Entry, Head


class Fate(Enum):
    """What becomes of an append."""

    ANSWERED = auto()
    UNANSWERED = auto()  # taken, and nobody hears of it
    LOST = auto()  # not taken, and nobody hears of it
    LATE = auto()  # not answered, and taken when ``land_late`` is called


@dataclass
class MemoryLog:
    """The records, and what the next calls meet. Revisions leave gaps, as other keys' writes make them."""

    entries: list[Entry] = field(default_factory=list)
    compacted: int = 0
    fates: list[Fate] = field(default_factory=list)  # of the next appends, then all are answered
    refusal: MetaError | None = None  # what every append meets, which is not taken
    late: list[bytes] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    appends: int = 0

    def take(self, record: bytes) -> int:
        """Make it the newest."""
        last = self.entries[-1] if self.entries else Entry(0, 2, b"")
        self.entries.append(Entry(last.version + 1, last.revision + 3, record))
        self.stir()
        return last.revision + 3

    def land_late(self) -> None:
        """What was late arrives."""
        late, self.late = self.late, []
        for record in late:
            self.take(record)

    def stir(self) -> None:
        """Have every tail look again."""
        grown, self.grown = self.grown, asyncio.Event()
        grown.set()

    def source(self, name: str = "memory") -> "MemorySource":
        """One way to it."""
        return MemorySource(self, name)


def honest(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """All of it at once, as a sound watch tells it."""
    return [entries]


class MemorySource:
    """A way to a ``MemoryLog``, which can be frozen, cut, or lie in what its tails tell."""

    def __init__(self, log: MemoryLog, name: str) -> None:
        self.log = log
        self._name = name
        self.frozen = False  # answers nothing: tails are silent, calls end with Unavailable
        self.cut = 0  # how often tails were told to end
        self.tell: Callable[[Sequence[Entry]], list[Sequence[Entry]]] = honest
        self.tails = 0
        self.heads = 0
        self.held: asyncio.Event | None = None  # heads are answered once it is set

    @property
    def name(self) -> str:
        return self._name

    async def append(self, record: bytes) -> int:
        log = self.log
        await asyncio.sleep(0)
        log.appends += 1
        if log.refusal is not None:
            raise log.refusal
        if self.frozen:
            raise Unavailable(f"{self.name} is frozen")
        fate = log.fates.pop(0) if log.fates else Fate.ANSWERED
        if fate is Fate.LATE:
            log.late.append(record)
        if fate in (Fate.LOST, Fate.LATE):
            raise Unavailable("no answer")
        revision = log.take(record)
        if fate is Fate.UNANSWERED:
            raise Unavailable("no answer")
        return revision

    async def head(self) -> Head:
        self.heads += 1
        if self.frozen:
            await asyncio.sleep(0.001)
            raise Unavailable(f"{self.name} is frozen")
        entries = self.log.entries
        head = Head(entries[-1].version, entries[-1].revision, 1, 1) if entries else Head(0, 0, 1, None)
        if self.held is not None:
            await self.held.wait()
        await asyncio.sleep(0)
        return head

    async def tail(self, revision: int) -> AsyncIterator[Sequence[Entry]]:
        self.tails += 1
        cut = self.cut
        if revision < self.log.compacted:
            raise Compacted("compacted", self.log.compacted)
        yield ()
        while True:
            grown = self.log.grown
            if self.cut != cut:
                raise Unavailable(f"the tail at {self.name} was cut")
            new = [entry for entry in self.log.entries if entry.revision >= revision]
            if new and not self.frozen:
                revision = new[-1].revision + 1
                for told in self.tell(new):
                    yield told
            else:
                await grown.wait()

    def cut_tails(self) -> None:
        """End the tails that are open."""
        self.cut += 1
        self.log.stir()


async def ended(work: Coroutine[Any, Any, object] | asyncio.Future[Any], seconds: float = 10.0) -> object:
    """What the work comes to, its failure included."""
    return (await asyncio.wait_for(asyncio.gather(work, return_exceptions=True), seconds))[0]
