"""Clients that work while faults come and go, and a ledger of what they were promised.

Each client holds one node and goes on to the next when a call fails. Its turns are in part writes to keys of
its own, a counter increased once or a put, which must be there at the end if they were acknowledged, and in
part reads and writes of a few registers that all clients share. Half of the clients roam: they read through
other nodes than they write through, and read every fifth acknowledged write back there at once. The other
half keeps to one node, so that a node that does not answer does not hold up the writes at the others.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from diag.faults.calls import Caller, CallFailed
from diag.faults.history import History, Kind, Outcome, Pending, Seen

COUNTERS = "once"
PUTS = "put"
REGISTERS = "register"

_READ_BACK_EVERY = 5
_PAUSE_AFTER_FAILURE = 0.05


@dataclass
class Ledger:
    """What was promised. ``acked`` and ``unknown`` are keys of single writes with their values.

    ``ack_times`` are of the monotonic clock, in seconds. ``stale`` tells of acknowledged writes that another
    node did not show afterwards.
    """

    acked: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    failed: int = 0
    ack_times: list[float] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    def longest_gap(self, since: float, until: float) -> float:
        """Seconds without an acknowledgement, at most, between two times."""
        times = [since, *(each for each in self.ack_times if since < each < until), until]
        return max(after - before for before, after in itertools.pairwise(times))


class Clients:
    """``count`` clients over ``nodes`` (name to host:port), at work inside ``async with``.

    Keys begin with ``prefix``. ``deadline`` bounds a call, ``rest`` is what a client waits between
    turns; both in seconds. On exit every call under way ends first, within its deadline.
    """

    def __init__(
        self,
        nodes: Mapping[str, str],
        history: History,
        *,
        prefix: str,
        count: int = 12,
        registers: int = 5,
        deadline: float = 1.5,
        rest: float = 0.002,
        seed: int = 0,
    ) -> None:
        self.ledger = Ledger()
        self._nodes = dict(nodes)
        self._history = history
        self._prefix = prefix
        self._count = count
        self._registers = registers
        self._deadline = deadline
        self._rest = rest
        self._seed = seed
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Clients":
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(self._count)]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def _work(self, number: int) -> None:
        client = _Client(number, self._nodes, self._deadline, random.Random(f"{self._seed} {number}"))
        try:
            turn = 0
            while not self._stopping.is_set():
                await self._turn(client, turn)
                turn += 1
                await asyncio.sleep(self._rest)
        finally:
            await client.close()

    async def _turn(self, client: "_Client", turn: int) -> None:
        choice = client.random.random()
        if choice < 0.25:
            await self._single(client, f"{self._prefix}/{COUNTERS}/{client.number}/{turn}", "1")
        elif choice < 0.5:
            await self._single(client, f"{self._prefix}/{PUTS}/{client.number}/{turn}", f"value {turn}")
        else:
            key = f"{self._prefix}/{REGISTERS}/{client.random.randrange(self._registers)}"
            await self._register(client, key, f"{client.number}.{turn}")

    async def _single(self, client: "_Client", key: str, value: str) -> None:
        try:
            if f"/{COUNTERS}/" in key:
                await client.caller().increase(key)
            else:
                await client.caller().put(key, value)
        except CallFailed as error:
            if error.certain:
                self.ledger.failed += 1
            else:
                self.ledger.unknown[key] = value
            await client.go_on()
            return
        self.ledger.acked[key] = value
        self.ledger.ack_times.append(time.monotonic())
        client.acked += 1
        if client.roams and client.acked % _READ_BACK_EVERY == 0:
            await self._read_back(client, key)

    async def _read_back(self, client: "_Client", key: str) -> None:
        node = client.another()
        try:
            found = await client.caller(node).get(key)
        except CallFailed:
            return
        if found is None:
            self.ledger.stale.append(f"{key} was acknowledged by {client.node} and then absent at {node}")

    async def _register(self, client: "_Client", key: str, value: str) -> None:
        """One of get, put, compare-and-set and delete; conditions name the seq this client saw last."""
        kind = client.random.choices([Kind.GET, Kind.PUT, Kind.DELETE], [5, 4, 1])[0]
        node = client.another() if kind is Kind.GET and client.roams else client.node
        conditional = kind is not Kind.GET and client.random.random() < 0.6
        expected = client.seqs.get(key, 0) if conditional else None
        pending = self._history.begin(
            *(client.number, node, kind, key),
            value=value if kind is Kind.PUT else None,
            expected=expected,
        )
        try:
            seq = await _ask(client.caller(node), pending)
        except CallFailed as error:
            self._end(pending, error)
            await client.go_on()
            return
        client.seqs[key] = seq
        if kind is not Kind.GET:
            self.ledger.ack_times.append(time.monotonic())

    def _end(self, pending: Pending, error: CallFailed) -> None:
        outcome = Outcome.FAIL if error.certain else Outcome.UNKNOWN
        (pending.fail if outcome is Outcome.FAIL else pending.unknown)(str(error))


class _Client:
    """One client: its connections, the node it holds and the seqs it saw."""

    def __init__(self, number: int, nodes: Mapping[str, str], deadline: float, source: random.Random) -> None:
        self.number = number
        self.random = source
        self.seqs: dict[str, int] = {}
        self.acked = 0
        self._names = list(nodes)
        self.roams = number // len(self._names) % 2 == 0
        self._at = number % len(self._names)
        self._callers = {name: Caller(endpoint, deadline) for name, endpoint in nodes.items()}

    @property
    def node(self) -> str:
        return self._names[self._at]

    def another(self) -> str:
        """A node that is not the one held, where there is one."""
        step = self.random.randrange(1, len(self._names)) if len(self._names) > 1 else 0
        return self._names[(self._at + step) % len(self._names)]

    def caller(self, node: str | None = None) -> Caller:
        return self._callers[node or self.node]

    async def go_on(self) -> None:
        """Hold the next node, after a pause that keeps a dead cluster from being asked without end."""
        self._at = (self._at + 1) % len(self._names)
        await asyncio.sleep(_PAUSE_AFTER_FAILURE)

    async def close(self) -> None:
        for caller in self._callers.values():
            await caller.close()


async def _ask(caller: Caller, pending: Pending) -> int:
    """Make the call that was begun and record its answer; the seq the key has now."""
    begun = pending.begun
    if begun.kind is Kind.GET:
        found = await caller.get(begun.key)
        pending.ok(told=True, found=found)
        return _seq(found)
    if begun.kind is Kind.DELETE:
        deleted, found = await caller.delete(begun.key, begun.expected)
        # A delete of nothing is refused only if it asked for something.
        applied = deleted or (found is None and not begun.expected)
        pending.ok(told=True, found=found, applied=applied)
        return 0 if applied else _seq(found)
    found, now = await caller.put(begun.key, begun.value or "", begun.expected)
    applied = now != found
    pending.ok(told=True, found=found, applied=applied, seq=_seq(now) if applied else None)
    return _seq(now)


def _seq(seen: Seen | None) -> int:
    return seen.seq if seen is not None else 0
