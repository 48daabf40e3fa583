import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from diag.profilers.handler import Handler

SIGNAL = signal.SIGUSR1


@contextmanager
def handled(work: Callable[[FrameType], None]) -> Iterator[Handler]:
    before = signal.getsignal(SIGNAL)
    handler = Handler(SIGNAL, work)
    try:
        yield handler
    finally:
        handler.close()
    assert signal.getsignal(SIGNAL) is before


def test_without_a_signal_nothing_is_done_and_nothing_stands_still() -> None:
    found: list[FrameType] = []
    with handled(found.append) as handler:
        pass
    assert (found, handler.seconds) == ([], 0.0)


def test_work_gets_the_frame_that_was_interrupted() -> None:
    found: list[FrameType] = []
    with handled(found.append):
        signal.raise_signal(SIGNAL)
    assert [frame.f_code.co_name for frame in found] == [
        "test_work_gets_the_frame_that_was_interrupted",
    ]


def test_a_signal_while_it_works_has_it_work_once_more_and_never_within_itself() -> None:
    depth, deepest, works = 0, 0, 0

    def work(_frame: FrameType) -> None:
        nonlocal depth, deepest, works
        depth, works = depth + 1, works + 1
        deepest = max(depth, deepest)
        if works < 5:
            signal.raise_signal(SIGNAL)
            signal.raise_signal(SIGNAL)
        depth -= 1

    with handled(work):
        signal.raise_signal(SIGNAL)
    assert (works, deepest) == (5, 1)


def test_what_interrupts_it_is_not_taken_for_the_program() -> None:
    found: list[str] = []

    def work(frame: FrameType) -> None:
        found.append(frame.f_code.co_name)
        if len(found) < 3:
            signal.raise_signal(SIGNAL)

    with handled(work):
        signal.raise_signal(SIGNAL)
    assert found == ["test_what_interrupts_it_is_not_taken_for_the_program"] * 3


def test_no_time_is_told_twice_however_often_it_works_again() -> None:
    works = 0

    def work(_frame: FrameType) -> None:
        nonlocal works
        works += 1
        if works % 100:
            signal.raise_signal(SIGNAL)

    began = time.perf_counter()
    with handled(work) as handler:
        signal.raise_signal(SIGNAL)
    assert works == 100
    assert 0 < handler.seconds <= time.perf_counter() - began


def test_an_error_of_the_work_is_one_look_less_and_reaches_nobody() -> None:
    works = 0

    def work(_frame: FrameType) -> None:
        nonlocal works
        works += 1
        raise RuntimeError

    with handled(work):
        signal.raise_signal(SIGNAL)
        signal.raise_signal(SIGNAL)
    assert works == 2


def test_a_signal_that_is_still_on_its_way_when_it_closes_ends_nothing() -> None:
    found: list[FrameType] = []
    with handled(found.append) as handler:
        signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})
        try:
            signal.raise_signal(SIGNAL)
            handler.close()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGNAL})
    assert found == []


@pytest.mark.parametrize("previous", [signal.SIG_IGN, signal.default_int_handler])
def test_the_signal_means_what_it_did_before(previous: signal.Handlers) -> None:
    before = signal.signal(SIGNAL, previous)
    try:
        with handled(lambda _frame: None):
            assert signal.getsignal(SIGNAL) is not previous
        assert signal.getsignal(SIGNAL) is previous
    finally:
        signal.signal(SIGNAL, before)
