"""One record in flight: what its callers hear when it is refused, lost, late, or not wanted any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import pytest

from diag.errors import Conflict, MessageTooLarge, NoSpace, NotInTime, Unavailable
from diag.kv.commands import Upserted
from diag.kv.store import Store
from diag.replication.applier import Applier
from diag.replication.machine import Machine
from diag.replication.proposer import Proposer
from diag.replication.record import decode
from diag.replication.sources import Sources
from diag.replication.tail import Tail
from tests.polling import until_async
from tests.replication.memory_log import Fate, MemoryLog, MemorySource, ended
from tests.replication.test_machine import NOW, put

pytestmark = pytest.mark.anyio


class Writing:
    """A proposer whose records come back through a real applier."""

    def __init__(self, store: Store, sources: list[MemorySource], patience: float) -> None:
        ways = Sources(sources)
        self.missed: list[int] = []
        self.tail = Tail(ways, 0, 0)
        self.applier = Applier(Machine(store), self.tail, lambda outcomes, _: self._hear(outcomes))
        self.proposer = Proposer(1, ways, lambda: (NOW, 1, 1), self.missed.append, patience)
        self.running: asyncio.Task[None]

    def _hear(self, outcomes: object) -> None:
        for outcome in outcomes:  # type: ignore[attr-defined]
            self.proposer.came_back(outcome)


@contextlib.asynccontextmanager
async def writing(
    path: Path, log: MemoryLog, *sources: MemorySource, patience: float = 10.0
) -> AsyncIterator[Writing]:
    with Store.open(path / "store", sync=False) as store:
        made = Writing(store, list(sources or [log.source()]), patience)
        tasks = [asyncio.create_task(made.tail.run()), asyncio.create_task(made.applier.run())]
        await made.proposer.enter(b"")
        made.running = asyncio.create_task(made.proposer.run())
        tasks.append(made.running)
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await made.applier.stop()


def _commands(log: MemoryLog) -> list[int]:
    return [len(decode(entry.record).commands) for entry in log.entries]


async def test_nothing_proposed_nothing_written(tmp_path: Path) -> None:
    log = MemoryLog()
    async with writing(tmp_path, log) as made:
        await asyncio.sleep(0.01)
        assert _commands(log) == [1]
        assert (made.proposer.pending, made.proposer.failed) == (0, 0)


async def test_what_waits_goes_together_within_bounds(tmp_path: Path) -> None:
    log = MemoryLog()
    async with writing(tmp_path, log) as made:
        replies = [made.proposer.propose(put(f"k{number}")) for number in range(5000)]
        assert made.proposer.pending == 5000
        assert all(isinstance(reply, Upserted) for reply in await asyncio.gather(*replies))
        assert _commands(log)[1:] == [2048, 2048, 904]
        large = [made.proposer.propose(put("k", b"v" * (400 << 10))) for _ in range(5)]
        await asyncio.gather(*large)
        assert _commands(log)[4:] == [2, 2, 1]
        assert made.proposer.pending == 0


async def test_each_reply_knows_when_its_record_passed_which_stage(tmp_path: Path) -> None:
    async with writing(tmp_path, MemoryLog()) as made:
        before = perf_counter()
        first, second = made.proposer.propose(put("a")), made.proposer.propose(put("b"))
        assert made.proposer.stages(first) == ()
        await asyncio.gather(first, second)
        stages = made.proposer.stages(first)
        assert stages == made.proposer.stages(second), "they went in one record"
        assert [name for name, _ in stages] == ["queue", "propose", "apply"]
        moments = [before, *(moment for _, moment in stages), perf_counter()]
        assert moments == sorted(moments)


async def test_what_is_too_large_or_too_much_is_refused_at_once(tmp_path: Path) -> None:
    async with writing(tmp_path, MemoryLog()) as made:
        with pytest.raises(MessageTooLarge, match="Split it"):
            made.proposer.propose(put("k", b"v" * (16 << 20)))
        some = [made.proposer.propose(put("k", b"v" * (15 << 20))) for _ in range(4)]
        with pytest.raises(Unavailable, match="Too many"):
            made.proposer.propose(put("k", b"v" * (15 << 20)))
        for one in some:
            one.cancel()
        await until_async(lambda: made.proposer.pending == 0)


async def test_a_source_that_fails_is_left_and_the_record_counts_once(tmp_path: Path) -> None:
    log = MemoryLog()
    async with writing(tmp_path, log, log.source("a"), log.source("b")) as made:
        log.fates = [Fate.LOST, Fate.LATE, Fate.UNANSWERED]
        await made.proposer.propose(put("a"))
        log.land_late()
        await made.applier.reach(len(log.entries))
        assert made.applier.figures.seq == 1


async def test_no_source_is_waited_for(tmp_path: Path) -> None:
    log = MemoryLog()
    ways = Sources([])
    with Store.open(tmp_path / "store", sync=False) as store:
        made = Writing(store, [], 10.0)
        proposer = Proposer(1, ways, lambda: (NOW, 1, 1), lambda _: None)
        entering = asyncio.ensure_future(proposer.enter(b""))
        await asyncio.sleep(0.02)
        assert not entering.done()
        ways.replace([log.source()])
        await until_async(lambda: log.entries)
        outcomes, _ = Machine(store).apply(log.entries)
        proposer.came_back(outcomes[0])
        await entering
        await made.applier.stop()


async def test_a_record_taken_that_does_not_come_back_is_missed(tmp_path: Path) -> None:
    log = MemoryLog()
    source = log.source()
    async with writing(tmp_path, log, source) as made:
        source.tell = lambda _: []
        reply = made.proposer.propose(put("a"))
        await until_async(lambda: made.missed)
        assert made.missed[0] == log.entries[-1].revision
        assert made.proposer.pending == 1
        source.tell = lambda entries: [entries]
        source.cut_tails()
        assert isinstance(await reply, Upserted)
        assert log.appends == 2, "it was answered, so it is not written again"


async def test_the_next_record_is_written_before_the_last_is_applied(tmp_path: Path) -> None:
    log = MemoryLog()
    source = log.source()
    async with writing(tmp_path, log, source) as made:
        source.tell = lambda _: []
        replies = [made.proposer.propose(put("a"))]
        await until_async(lambda: log.appends == 2)
        replies.append(made.proposer.propose(put("b")))
        await until_async(lambda: log.appends == 3)
        replies.append(made.proposer.propose(put("c")))
        await until_async(lambda: made.missed)
        assert (made.proposer.pending, log.appends) == (3, 3), "a node does not run ahead of itself"
        source.tell = lambda entries: [entries]
        source.cut_tails()
        assert all(isinstance(reply, Upserted) for reply in await asyncio.gather(*replies))
        assert _commands(log) == [1, 1, 1, 1]


async def test_refused_in_flight_it_is_not_written_again(tmp_path: Path) -> None:
    log = MemoryLog()
    source = log.source()
    async with writing(tmp_path, log, source) as made:
        source.frozen = True
        flying = made.proposer.propose(put("flies"))
        await until_async(lambda: log.appends >= 2)
        waiting = made.proposer.propose(put("waits"))
        made.proposer.refuse(Unavailable("enough"))
        for one in (flying, waiting):
            assert isinstance(await ended(one), Unavailable)
        with pytest.raises(Unavailable, match="enough"):
            made.proposer.propose(put("late"))
        source.frozen = False
        appends = log.appends
        await asyncio.sleep(0.3)
        assert log.appends <= appends + 1
        assert _commands(log) == [1], "and no empty record either"
        assert (made.proposer.pending, made.proposer.failed) == (0, 2)


async def test_finish_lets_what_was_proposed_be_written(tmp_path: Path) -> None:
    log = MemoryLog()
    source = log.source()
    async with writing(tmp_path, log, source) as made:
        replies = [made.proposer.propose(put(f"k{number}")) for number in range(3000)]
        await made.proposer.finish(Unavailable("stopping"), 10)
        assert all(reply.done() and reply.exception() is None for reply in replies)
        with pytest.raises(Unavailable, match="stopping"):
            made.proposer.propose(put("late"))
        await made.proposer.finish(Unavailable("stopping"), 10)


async def test_finish_ends_when_nobody_answers(tmp_path: Path) -> None:
    log = MemoryLog()
    source = log.source()
    async with writing(tmp_path, log, source) as made:
        source.frozen = True
        reply = made.proposer.propose(put("a"))
        await asyncio.wait_for(made.proposer.finish(Unavailable("stopping"), 0.05), 5)
        assert isinstance(await ended(reply), Unavailable)


async def test_each_caller_hears_in_its_own_time_and_once(tmp_path: Path) -> None:
    log = MemoryLog()
    source = log.source()
    async with writing(tmp_path, log, source, patience=0.3) as made:
        source.frozen = True
        loop = asyncio.get_running_loop()
        flying = made.proposer.propose(put("flies"))
        await asyncio.sleep(0.2)
        began = loop.time()
        waiting = made.proposer.propose(put("waits"))
        assert isinstance(await ended(flying), NotInTime)
        assert isinstance(await ended(waiting), NotInTime)
        assert loop.time() - began > 0.25
        assert (made.proposer.pending, made.proposer.failed) == (1, 2)
        source.frozen = False
        await until_async(lambda: made.proposer.pending == 0)
        assert _commands(log) == [1, 1]
        assert made.proposer.failed == 2


async def test_full_it_refuses_and_goes_on_later(tmp_path: Path) -> None:
    log = MemoryLog()
    async with writing(tmp_path, log) as made:
        log.refusal = NoSpace("full")
        first, second = made.proposer.propose(put("a")), made.proposer.propose(put("b"))
        failures = [await ended(first), await ended(second)]
        assert [type(failure) for failure in failures] == [NoSpace, NoSpace]
        assert failures[0] is not failures[1], "each caller's traceback is its own"
        log.refusal = None
        assert isinstance(await made.proposer.propose(put("c")), Upserted)


async def test_entering_twice_after_the_same_is_a_conflict(tmp_path: Path) -> None:
    log = MemoryLog()
    async with writing(tmp_path / "first", log) as first:
        with pytest.raises(Conflict):
            await first.proposer.enter(b"somebody else")
        assert isinstance(first.applier.figures.ledger.writers[1], tuple)


async def test_fenced_it_ends(tmp_path: Path) -> None:
    log = MemoryLog()
    async with writing(tmp_path, log) as made:
        incarnation, _ = made.applier.figures.ledger.writers[1]
        with Store.open(tmp_path / "other", sync=False) as store:
            other = Writing(store, [log.source()], 10.0)
            entering = asyncio.ensure_future(other.proposer.enter(incarnation))
            await until_async(lambda: len(log.entries) == 2)
            outcomes, _ = Machine(store).apply(log.entries)
            other.proposer.came_back(outcomes[-1])
            await entering
            await other.applier.stop()
        reply = made.proposer.propose(put("fenced"))
        failure = await ended(reply)
        assert isinstance(failure, Conflict)
        assert "was not made" in str(failure)
        assert isinstance(await ended(made.running), Conflict)
