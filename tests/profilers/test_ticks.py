"""Looks at threads, by a clock that a test winds. The signal is the real one, sent by hand."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from diag.profilers.tally import Tally
from diag.profilers.ticks import CpuTicks, Threads


class HandWatch:
    """Charges what a test says that is due, and tells it what is done with it."""

    def __init__(self, clock: "HandClock", tid: int) -> None:
        self._clock = clock
        self.tid = tid
        self.closed = 0
        self.used_after = 0

    def charge(self) -> float | None:
        self.used_after += self.closed
        self._clock.at_charge(self)
        return self._clock.due.get(self.tid, 0.0)

    def close(self) -> None:
        self.closed += 1


class HandClock:
    """``due`` are seconds by thread, None of one that is gone; ``after`` is the clock that follows it."""

    most = None

    def __init__(self, note: str = "By hand.") -> None:
        self.note = note
        self.due: dict[int, float | None] = {}
        self.made: list[HandWatch] = []
        self.refused: set[int] = set()
        self.after: HandClock = self
        self.at_charge: Callable[[HandWatch], None] = lambda _watch: None

    def watch(self, tid: int, rate: float) -> HandWatch:
        if tid in self.refused:
            raise OSError("none left")
        self.made.append(HandWatch(self, tid))
        return self.made[-1]

    def adapt(self, rate: float, cost: float) -> "HandClock":
        return self.after

    def open(self) -> set[int]:
        """Threads that are watched."""
        return {watch.tid for watch in self.made if not watch.closed}


@contextmanager
def ticking(clock: HandClock) -> Iterator[tuple[CpuTicks, Tally]]:
    """Ended with the block: then the signal means what it did, and each watch was closed once and unused."""
    before = signal.getsignal(signal.SIGPROF)
    loop = asyncio.new_event_loop()
    tally = Tally(loop)
    ticks = CpuTicks(tally, 99, clock)
    try:
        ticks.begin()
        try:
            yield ticks, tally
        finally:
            ticks.end()
    finally:
        loop.close()
    assert signal.getsignal(signal.SIGPROF) is before
    assert {watch.closed for watch in clock.made} == {1}
    assert not any(watch.used_after for watch in clock.made)


@contextmanager
def parked(count: int = 1) -> Iterator[list[int]]:
    """Threads that wait; their kernel ids."""
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield [thread.native_id or 0 for thread in threads]
    finally:
        over.set()
        for thread in threads:
            thread.join()


def in_another_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


MAIN = threading.get_native_id()


def test_where_nothing_is_due_nothing_is_seen() -> None:
    with ticking(HandClock()) as (_, tally):
        signal.raise_signal(signal.SIGPROF)
    assert (tally.looks, tally.by_thread()) == (0, {})


def test_the_main_thread_counts_for_what_is_due() -> None:
    clock = HandClock()
    with ticking(clock) as (_, tally):
        clock.due = {MAIN: 0.25}
        signal.raise_signal(signal.SIGPROF)
        signal.raise_signal(signal.SIGPROF)
    assert tally.by_thread() == {MAIN: 0.5}


def test_other_threads_count_too_and_threads_that_begin() -> None:
    clock = HandClock()
    with parked() as [early], ticking(clock) as (ticks, tally), parked() as [late]:
        clock.due = {early: 1.0, late: 2.0}
        signal.raise_signal(signal.SIGPROF)
        assert tally.by_thread() == {early: 1.0}
        in_another_thread(ticks.look)
        signal.raise_signal(signal.SIGPROF)
        assert tally.by_thread() == {early: 2.0, late: 2.0}


def test_of_very_many_threads_those_that_use_the_processor_are_watched() -> None:
    clock = HandClock()
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            pass

    busy = threading.Thread(target=work)
    with parked(40) as many, ticking(clock) as (ticks, _):
        # of none is it known yet
        assert MAIN in clock.open()
        assert not clock.open() & set(many)
        busy.start()
        while busy.native_id not in clock.open():
            in_another_thread(ticks.look)
        over.set()
        busy.join()


def test_a_thread_that_has_ended_is_looked_at_no_more() -> None:
    clock = HandClock()
    with ticking(clock) as (ticks, _):
        with parked() as [gone]:
            in_another_thread(ticks.look)
            assert clock.open() >= {MAIN, gone}
        in_another_thread(ticks.look)
        signal.raise_signal(signal.SIGPROF)
        assert MAIN in clock.open()
        assert gone not in clock.open()


def test_one_whose_clock_is_gone_is_looked_at_no_more() -> None:
    clock = HandClock()
    with parked() as [gone], ticking(clock):
        clock.due = {gone: None}
        signal.raise_signal(signal.SIGPROF)
        signal.raise_signal(signal.SIGPROF)
        assert MAIN in clock.open()
        assert gone not in clock.open()


def test_a_watch_is_not_closed_while_the_handler_is_at_it() -> None:
    clock = HandClock()
    with ticking(clock) as (ticks, _):
        with parked() as [gone]:
            in_another_thread(ticks.look)
        found: list[int] = []

        def meanwhile(watch: HandWatch) -> None:
            # as where the profiler's thread gets the interpreter lock in the middle of the handler
            if not found:
                in_another_thread(ticks.look)
            found.append(watch.tid)
            assert not watch.closed

        clock.at_charge = meanwhile
        signal.raise_signal(signal.SIGPROF)
        assert found[0] == MAIN
        assert gone in found


def test_who_is_watched_goes_on_by_the_clock_that_suits_better() -> None:
    first, second = HandClock("First."), HandClock("Second.")
    with parked() as [other], ticking(first) as (ticks, tally):
        assert ticks.note.endswith("First.")
        first.after = second.after = second
        in_another_thread(ticks.look)
        assert ticks.note.endswith("Second.")
        second.due = {other: 1.0}
        signal.raise_signal(signal.SIGPROF)
        assert first.open() == set()
        assert second.open() >= {MAIN, other}
        assert tally.by_thread() == {other: 1.0}
    assert {watch.closed for watch in second.made} == {1}


def test_a_thread_that_is_refused_a_watch_is_left_out() -> None:
    clock = HandClock()
    with parked(2) as [refused, other]:
        clock.refused = {refused}
        with ticking(clock):
            assert clock.open() >= {MAIN, other}


def test_where_the_main_thread_is_refused_one_nothing_is_left_behind() -> None:
    clock = HandClock()
    clock.refused = {MAIN}
    with pytest.raises(OSError, match="none left"), ticking(clock):
        pass
    assert clock.made == []


def test_the_thread_that_looks_for_threads_is_left_out() -> None:
    threads = Threads()
    threads.look(99)
    assert threading.get_ident() not in threads.found
    with parked() as [other]:
        assert threads.look(10) >= 1.0
        assert other in threads.found.values()
